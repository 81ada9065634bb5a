-- Roles, databases and rights. Run by the superuser with psql when the cluster is made, and natively at every start: it only
-- adds what is missing, and sets the passwords to what the secret files say now. SECRETS names the directory with one file per role.

\set ON_ERROR_STOP on
\set QUIET on
SET synchronous_commit = local;  -- the first run comes before the replica exists; a repeated run is as good as a replicated one
SET client_min_messages = warning;

-- "New role: name, options". CREATE ROLE has no IF NOT EXISTS.
CREATE TEMP TABLE wanted (role text, options text);
INSERT INTO wanted VALUES
    ('order_owner', ''), ('payment_owner', ''), ('notification_owner', ''),
    ('order_app', ''), ('payment_app', ''), ('notification_app', ''),
    ('verifier', ''), ('replicator', 'REPLICATION'), ('rewinder', ''), ('exporter', '');
SELECT format('CREATE ROLE %I LOGIN %s', role, options) FROM wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec

\set order_owner `cat "$SECRETS/order_owner"`
\set order_app `cat "$SECRETS/order_app"`
\set payment_owner `cat "$SECRETS/payment_owner"`
\set payment_app `cat "$SECRETS/payment_app"`
\set notification_owner `cat "$SECRETS/notification_owner"`
\set notification_app `cat "$SECRETS/notification_app"`
\set verifier `cat "$SECRETS/verifier"`
\set replicator `cat "$SECRETS/replicator"`
\set rewinder `cat "$SECRETS/rewinder"`
\set exporter `cat "$SECRETS/exporter"`
-- What the server logs of a slow or failed statement is the statement.
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
ALTER ROLE order_owner PASSWORD :'order_owner';
ALTER ROLE order_app PASSWORD :'order_app';
ALTER ROLE payment_owner PASSWORD :'payment_owner';
ALTER ROLE payment_app PASSWORD :'payment_app';
ALTER ROLE notification_owner PASSWORD :'notification_owner';
ALTER ROLE notification_app PASSWORD :'notification_app';
ALTER ROLE verifier PASSWORD :'verifier';
ALTER ROLE replicator PASSWORD :'replicator';
ALTER ROLE rewinder PASSWORD :'rewinder';
ALTER ROLE exporter PASSWORD :'exporter';

-- A frozen process must not wedge a partition: its open transaction ends, and nobody waits long for its locks.
SELECT format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''10s''', role),
       format('ALTER ROLE %I SET lock_timeout = ''5s''', role)
FROM wanted WHERE role LIKE '%\_app' \gexec

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES ('orders', 'order_owner'), ('payments', 'payment_owner'), ('notifications', 'notification_owner')) d (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

-- The default is that everybody may connect to everything.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;

-- pg_rewind reads another node's files through these, and needs no superuser then.
GRANT CONNECT ON DATABASE postgres TO rewinder;
GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text),
    pg_read_binary_file(text, bigint, bigint, boolean) TO rewinder;

-- Metrics: the statistics of all, the contents of nothing.
GRANT CONNECT ON DATABASE postgres TO exporter;
GRANT pg_monitor TO exporter;

\connect orders
\set owner order_owner
\set app order_app
\ir database.sql

\connect payments
\set owner payment_owner
\set app payment_app
\ir database.sql

\connect notifications
\set owner notification_owner
\set app notification_app
\ir database.sql
