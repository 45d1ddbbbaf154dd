#!/bin/sh
# Runs once, when the cluster is new: the roles of a deployment.
#   callboard_service  no login; what the services may do, granted by the migrations
#   the owner          a login that owns the database and everything in it, for migrations only
#   the app            a login that may do what callboard_service may, and nothing else
# Names and passwords of the two logins are those of their URLs, so that each stands in one place only. A password in a URL
# is plain letters and digits; nothing is decoded here.
set -eu

login() {
    url=$(cat "/run/secrets/$1")
    login=${url#*://}
    login=${login%%@*}
    name=${login%%:*}
    password=${login#*:}
    case $name$password in
        *[!A-Za-z0-9._~-]*) echo "$1: user and password must be letters, digits and . _ ~ - only" >&2; exit 1 ;;
    esac
}

login database-url-owner
owner=$name owner_password=$password
login database-url
app=$name app_password=$password

# The passwords travel in the script that psql reads, so that they never stand in a list of processes.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
\set database '$POSTGRES_DB'
\set owner '$owner'
\set owner_password '$owner_password'
\set app '$app'
\set app_password '$app_password'
create role callboard_service nologin;
create role :"owner" login password :'owner_password';
create role :"app" login password :'app_password' in role callboard_service;
-- The migrations put their owner into the services' role, so it must be allowed to.
grant callboard_service to :"owner" with admin option;
alter database :"database" owner to :"owner";
revoke all on database :"database" from public;
grant connect on database :"database" to callboard_service;
-- Nothing of ours is in this schema, and nobody else's shall be.
revoke create on schema public from public;
SQL
