-- Databases, roles and rights, for psql as the superuser; of both stacks. Safe to repeat: what exists is kept.
-- The local stack runs it at each start, PostgreSQL's image once, on an empty volume. Passwords come from the
-- environment and stay out of every log.
--
-- airflow     owned by `airflow`           mlflow       owned by `mlflow`
-- warehouse   owned by `loader`, which fills it; `reader` reads what it makes, and cannot write
-- titleholder owned by `ledger_owner`, which migrates it; `ledger` and `ledger_reader` get their rights by that
\set ON_ERROR_STOP on
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\getenv airflow AIRFLOW_DB_PASSWORD
\getenv mlflow MLFLOW_DB_PASSWORD
\getenv loader LOADER_DB_PASSWORD
\getenv reader READER_DB_PASSWORD
\getenv ledger_owner LEDGER_OWNER_DB_PASSWORD
\getenv ledger LEDGER_DB_PASSWORD
\getenv ledger_reader LEDGER_READER_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', role, password)
FROM (VALUES ('airflow', :'airflow'), ('mlflow', :'mlflow'), ('loader', :'loader'), ('reader', :'reader'),
             ('ledger_owner', :'ledger_owner'), ('ledger', :'ledger'), ('ledger_reader', :'ledger_reader')
) AS wanted (role, password)
WHERE role NOT IN (SELECT rolname FROM pg_roles)
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', database, owner)
FROM (VALUES ('airflow', 'airflow'), ('mlflow', 'mlflow'), ('warehouse', 'loader'), ('titleholder', 'ledger_owner')
) AS wanted (database, owner)
WHERE database NOT IN (SELECT datname FROM pg_database)
\gexec

-- Each service connects to its own database and to no other.
REVOKE ALL ON DATABASE airflow, mlflow, warehouse, titleholder, postgres, template1 FROM PUBLIC;
-- Temporary tables: the copies of the leak test, and the schema that an audit compares the ledger's with.
GRANT CONNECT, TEMPORARY ON DATABASE warehouse TO reader;
GRANT CONNECT, TEMPORARY ON DATABASE titleholder TO ledger, ledger_reader;
ALTER ROLE reader SET default_transaction_read_only = on;
ALTER ROLE ledger_reader SET default_transaction_read_only = on;

-- Whoever can connect may make large objects, which no transaction takes back: readers would fill the disk.
\connect titleholder
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;

-- The reader may read what the loader makes, now and later, and nothing else: no catalogue with passwords.
\connect warehouse
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE loader GRANT USAGE ON SCHEMAS TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE loader GRANT SELECT ON TABLES TO reader;
