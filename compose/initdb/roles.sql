-- Databases and roles of a new server, as localstack.roles makes them for the local stack.
-- Runs once, on an empty data volume. Passwords come from the environment and stay out of every log.
\set ON_ERROR_STOP on
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\getenv airflow_password AIRFLOW_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
\getenv loader_password LOADER_DB_PASSWORD
\getenv reader_password READER_DB_PASSWORD
\getenv ledger_owner_password LEDGER_OWNER_DB_PASSWORD
\getenv ledger_password LEDGER_DB_PASSWORD

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE loader LOGIN PASSWORD :'loader_password';
CREATE ROLE reader LOGIN PASSWORD :'reader_password';
CREATE ROLE ledger_owner LOGIN PASSWORD :'ledger_owner_password';
CREATE ROLE ledger LOGIN PASSWORD :'ledger_password';

CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE warehouse OWNER loader;
CREATE DATABASE titleholder OWNER ledger_owner;

REVOKE ALL ON DATABASE airflow, mlflow, warehouse, titleholder, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE warehouse TO reader;
GRANT CONNECT ON DATABASE titleholder TO ledger;

-- The role covers tables that do not exist yet; `reader` can connect to nothing but the warehouse.
GRANT pg_read_all_data TO reader;
ALTER ROLE reader SET default_transaction_read_only = on;
