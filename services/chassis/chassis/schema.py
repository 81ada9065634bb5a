"""The chassis' own tables, created by each service's first migration.

`outbox` and `inbox` are range-partitioned on their UUIDv7 ids, one partition a day: an id stays in its partition over
every redelivery, and old days are dropped instead of deleted row by row. The role a service runs as may not create
tables, so days are made and dropped by functions that run as the schema's owner.
"""

from alembic import op

OUTBOX_RETENTION_DAYS = 7
INBOX_RETENTION_DAYS = 30  # never less than the outbox's: a republished event must find its inbox row

TABLES = """
CREATE TABLE outbox (
    id uuid NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    shard smallint NOT NULL,
    type text NOT NULL,
    subject uuid NOT NULL,
    sequence integer NOT NULL,
    data jsonb NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX outbox_unpublished ON outbox (shard, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_subject ON outbox (subject);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

CREATE TABLE outbox_blocked (
    subject uuid PRIMARY KEY,
    attempts integer NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    reason text NOT NULL
);

CREATE TABLE inbox (
    id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    type text NOT NULL,
    subject uuid NOT NULL,
    sequence integer NOT NULL,
    seen integer NOT NULL DEFAULT 1,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX inbox_subject ON inbox (subject);
CREATE TABLE inbox_default PARTITION OF inbox DEFAULT;

CREATE TABLE parked (
    id uuid PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    type text NOT NULL,
    subject uuid,
    body bytea NOT NULL,
    reason text NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE quarantine (subject uuid PRIMARY KEY);
CREATE TABLE suspects (
    id uuid PRIMARY KEY,
    tries integer NOT NULL DEFAULT 1,
    tried_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE effects (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    subject uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    payload jsonb NOT NULL,
    partition smallint NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id uuid,
    attempt integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    give_up_at timestamptz,
    done_at timestamptz,
    outcome text
);
CREATE INDEX effects_due ON effects (due_at) WHERE done_at IS NULL;
CREATE INDEX effects_open ON effects (subject, id) WHERE done_at IS NULL;
CREATE INDEX effects_subject ON effects (subject);

CREATE TABLE idempotency (
    customer text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    command_id uuid NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    seen integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
"""

READ_TABLES = """
-- Written once a second, so that a replica that stands still can be told from a primary at rest.
CREATE TABLE heartbeat (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO heartbeat DEFAULT VALUES;

-- Rows whose cache entries are out of date: written with the change, deleted once the cache knows.
CREATE TABLE invalidations (
    cache text NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cache, key)
);
"""

FUNCTIONS = (
    """
CREATE FUNCTION day_floor(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (rpad(lpad(to_hex((extract(epoch FROM day::timestamp) * 1000)::bigint), 12, '0'), 32, '0'))::uuid
$$
""",
    """
CREATE FUNCTION make_days(first date, days integer) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    day date;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('days'));  -- another instance may do the same this moment
    FOREACH parent IN ARRAY ARRAY['outbox', 'inbox'] LOOP
        FOR day IN SELECT first + n FROM generate_series(0, days - 1) AS n LOOP
            name := parent || to_char(day, '_YYYYMMDD');
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            BEGIN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    name, parent, day_floor(day), day_floor(day + 1));
            EXCEPTION WHEN check_violation THEN
                -- Rows of that day are in the default partition already (nothing ran when it should have been made).
                RAISE NOTICE 'day % of % stays in the default partition', day, parent;
            END;
        END LOOP;
    END LOOP;
END $$
""",
    """
CREATE FUNCTION drop_days(parent text, before date) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
    busy boolean;
    dropped integer := 0;
BEGIN
    FOR name IN
        SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = parent::regclass AND child.relname ~ '_[0-9]{8}$'
          AND to_date(right(child.relname, 8), 'YYYYMMDD') < before
    LOOP
        busy := false;
        IF parent = 'outbox' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE published_at IS NULL)', name) INTO busy;
        END IF;
        IF NOT busy THEN
            EXECUTE format('DROP TABLE %I', name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    -- What fell into the default partition because its day was missing.
    EXECUTE format('DELETE FROM %I WHERE id < %L', parent || '_default', day_floor(before))
        || CASE parent WHEN 'outbox' THEN ' AND published_at IS NOT NULL' ELSE '' END;
    RETURN dropped;
END $$
""",
    """
REVOKE ALL ON FUNCTION make_days(date, integer), drop_days(text, date) FROM PUBLIC
""",
)


TRACE_COLUMNS = """
-- Where the trace of what wrote the row goes on (chassis.tracing); NULL where nothing is traced.
ALTER TABLE outbox ADD COLUMN traceparent text;
ALTER TABLE effects ADD COLUMN traceparent text;
"""


def create_chassis_tables() -> None:
    """Create everything the chassis keeps in a service's database, with a week of days."""
    for statement in (*_statements(TABLES), *FUNCTIONS):
        op.execute(statement)
    op.execute("SELECT make_days(current_date - 1, 9)")


def create_read_tables() -> None:
    """Create what reading needs; in each service's second migration."""
    for statement in _statements(READ_TABLES):
        op.execute(statement)


def create_trace_columns() -> None:
    """Add what tracing needs; in a migration of each service."""
    for statement in _statements(TRACE_COLUMNS):
        op.execute(statement)


def _statements(script: str) -> list[str]:
    return [statement for statement in script.split(";\n") if statement.strip()]
