#!/bin/sh
# Back up the stack while it runs: its databases, and the files that they name. Usage: compose/backup.sh NEW_FOLDER
set -eu
umask 077
folder=${1:?Usage: compose/backup.sh NEW_FOLDER}
test ! -e "$folder" || { echo "$folder exists: name a new folder." >&2; exit 2; }
mkdir "$folder.part"

# The ledger first: what its rows name was there before them, and so is in what is copied later.
for database in titleholder mlflow warehouse airflow; do
    docker compose exec -T postgres sh -c \
        'PGPASSWORD=$POSTGRES_PASSWORD exec pg_dump --username=postgres --format=custom "$1"' - "$database" \
        > "$folder.part/$database.dump"
done
docker compose run --rm -T --no-deps mlflow \
    tar --create --directory=/var/lib/titleholder artifacts > "$folder.part/artifacts.tar"
docker compose run --rm -T --no-deps airflow-worker \
    tar --create --directory=/var/lib/titleholder snapshots > "$folder.part/snapshots.tar"

mv "$folder.part" "$folder"
echo "$folder is complete. Keep it with .env: the passwords are not in it."
