#!/bin/sh
# As the image's: makes user, database and password on a new volume only, trusts the socket, and asks other machines for the password.
set -eu
if [ "$(id -u)" = 0 ]; then
    install --directory --owner=postgres --mode=0700 "${PGDATA%/*}" "$PGDATA"
    exec gosu postgres sh "$0"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s\n' "${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE")}" >/tmp/password
    initdb --auth=trust --username="$POSTGRES_USER" --pwfile=/tmp/password
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait --options="-c listen_addresses=" start
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --wait stop
fi
exec postgres -c "listen_addresses=*"
