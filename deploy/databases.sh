#!/bin/sh
# Run by the postgres image when its data folder is new: a role and a database for each service, nobody else's.
set -eu

for service in $YOUAI_SERVICES; do
    password=$(printenv "$(echo "$service" | tr '[:lower:]' '[:upper:]')_PASSWORD")
    psql --set ON_ERROR_STOP=1 --set name="$service" --set password="$password" --username "$POSTGRES_USER" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
