#!/bin/sh
# Restore a backup into a stack without data, with the .env of then. Usage: compose/restore.sh FOLDER
set -eu
folder=${1:?Usage: compose/restore.sh FOLDER}

docker compose up --detach --wait postgres # makes roles and empty databases
# Each in one transaction, and none over tables that exist.
for database in titleholder mlflow warehouse airflow; do
    docker compose exec -T postgres sh -c \
        'PGPASSWORD=$POSTGRES_PASSWORD exec pg_restore --username=postgres --single-transaction --dbname="$1"' - "$database" \
        < "$folder/$database.dump"
done
docker compose run --rm -T --no-deps mlflow \
    tar --extract --directory=/var/lib/titleholder < "$folder/artifacts.tar"
docker compose run --rm -T --no-deps airflow-worker \
    tar --extract --directory=/var/lib/titleholder < "$folder/snapshots.tar"

echo "Restored. Start the rest: docker compose up --detach --wait; then: docker compose run --rm titleholder audit"
