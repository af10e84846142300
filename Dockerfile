# The image of every service except PostgreSQL: Airflow, the MLflow server and the package, from one lock.
# Another base needs Python 3.11 and a C library that manylinux wheels run on; no wheel here needs system packages.
ARG BASE_IMAGE=python:3.11.17-slim-trixie@sha256:45037981b62b34b44602584fccbc4d884d5f7dc92c7ee86bb38a698a79fe1e51
FROM ${BASE_IMAGE}

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

# The services own what they write; a new named volume takes over the owner of the folder that it covers.
RUN groupadd --gid 10001 titleholder \
    && useradd --uid 10001 --gid titleholder --create-home titleholder \
    && install --directory --owner=titleholder --group=titleholder --mode=0750 \
        /opt/airflow /opt/airflow/logs /var/lib/titleholder \
        /var/lib/titleholder/artifacts /var/lib/titleholder/snapshots

# The code belongs to root: a task can read it, not change it.
WORKDIR /opt/titleholder
COPY requirements.txt requirements-build.txt requirements-extra.tx[t] ./
COPY wheels/ wheels/
RUN python -m pip install --require-hashes --requirement requirements-build.txt --requirement requirements.txt \
        $(test ! -e requirements-extra.txt || echo --requirement requirements-extra.txt)

COPY pyproject.toml README.md LICENSE ./
COPY include/ include/
# Editable: titleholder then finds include/models, and Airflow its plugin by the entry point.
RUN python -m pip install --no-deps --no-build-isolation --editable .

COPY config/ config/
COPY compose/init.py compose/healthy.py compose/mlflow_server.py compose/
COPY dags/ dags/
RUN python -m compileall -q include config dags

ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/titleholder/dags \
    PYTHONPATH=/opt/titleholder/config:/opt/titleholder/include

# Every decision in the ledger names the version of the code. The image has no git: give it when building.
ARG CODE_VERSION=""
ENV TITLEHOLDER_CODE_VERSION=${CODE_VERSION}

USER 10001:10001
CMD ["titleholder", "--help"]
