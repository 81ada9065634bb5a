#!/bin/sh
# Starts Patroni. Passwords are files, one per role in $SECRETS; Patroni takes its three from the environment only.
set -eu
for secret in replicator rewinder patroni; do
    [ -r "$SECRETS/$secret" ] || { echo "no secret '$secret': $SECRETS/$secret must be a readable file" >&2; exit 1; }
done
PATRONI_REPLICATION_PASSWORD=$(cat "$SECRETS/replicator")
PATRONI_REWIND_PASSWORD=$(cat "$SECRETS/rewinder")
PATRONI_RESTAPI_PASSWORD=$(cat "$SECRETS/patroni")
export PATRONI_REPLICATION_PASSWORD PATRONI_REWIND_PASSWORD PATRONI_RESTAPI_PASSWORD
exec "$@"  # Patroni and its configuration; in a container it is PID 1
