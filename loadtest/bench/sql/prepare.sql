-- The scratch database's own part: products on the shelf, and ids as the services make them (UUIDv7: time first, so
-- that rows land in today's partition).

INSERT INTO orders.products (sku, name, price_cents, currency, version)
SELECT 'bench-' || n, 'Bench', 1000, 'EUR', 1 FROM generate_series(0, 7) AS n;
INSERT INTO orders.stock (sku, stocked, available, reserved, sold)
SELECT 'bench-' || n, 1000000000, 1000000000, 0, 0 FROM generate_series(0, 7) AS n;

CREATE FUNCTION id7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT overlay(gen_random_uuid()::text PLACING
                   regexp_replace(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0'),
                                  '(.{8})', '\1-') FROM 1 FOR 13)::uuid
$$;
