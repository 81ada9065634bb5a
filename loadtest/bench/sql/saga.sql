-- One order's way, as SQL only: what the three services write, in five transactions, without a service, a broker, a
-- provider or a mail server in between. Run by pgbench against copies of the services' own tables.
\set n random(0, 7)
SELECT id7() AS o, id7() AS placed, id7() AS captured, id7() AS confirmed, id7() AS sent, id7() AS charge, id7() AS mail,
       'bench-' || :n AS sku \gset

-- 1. the order service places the order
BEGIN;
INSERT INTO orders.idempotency (customer, route, key, command_id, request_hash, status, headers, body)
VALUES ('bench', 'POST /orders', :o, :o, '\x00', 202, '{}', '{}');
INSERT INTO orders.orders (id, partition, version, customer, email, status, items, total_cents, currency, created_at,
                           expires_at)
SELECT :o, 0, 1, 'bench', 'customer@example.com', 'pending',
       jsonb_build_array(jsonb_build_object('sku', sku, 'quantity', 1, 'unit_price_cents', price_cents)),
       price_cents, currency, now(), now() + interval '2 minutes'
FROM orders.products WHERE sku = :sku;
INSERT INTO orders.outbox (id, shard, type, subject, sequence, data, correlation_id)
VALUES (:placed, 0, 'order.placed.v1', :o, 1,
        '{"customer": "bench", "total_cents": 1000, "currency": "EUR", "payment_token": "tok_ok", "email": "customer@example.com"}',
        :o);
UPDATE orders.stock SET available = available - 1, reserved = reserved + 1 WHERE sku = :sku AND available >= 1;
COMMIT;

-- 2. the payment service hears of it and asks for a charge
BEGIN;
INSERT INTO payments.inbox (id, source, type, subject, sequence) VALUES (:placed, 'order', 'order.placed.v1', :o, 1);
INSERT INTO payments.payments (id, partition, version, status, customer, amount_cents, currency, email)
VALUES (:o, 0, 0, 'pending', 'bench', 1000, 'EUR', 'customer@example.com');
INSERT INTO payments.effects (id, kind, subject, aggregate_id, payload, partition, correlation_id, causation_id, attempt,
                              leased_until, give_up_at)
VALUES (:charge, 'charge', :o, :o, '{"amount_cents": 1000, "currency": "EUR", "payment_token": "tok_ok"}', 0, :o, :placed,
        1, now() + interval '10 seconds', now() + interval '30 seconds');
COMMIT;

-- 3. the charge went through
BEGIN;
UPDATE payments.payments SET status = 'captured', version = 1 WHERE id = :o;
UPDATE payments.effects SET done_at = now(), leased_until = NULL, outcome = 'done' WHERE id = :charge AND attempt = 1;
INSERT INTO payments.outbox (id, shard, type, subject, sequence, data, correlation_id, causation_id)
VALUES (:captured, 0, 'payment.captured.v1', :o, 1, '{"amount_cents": 1000, "currency": "EUR"}', :o, :placed);
COMMIT;

-- 4. the order service confirms the order
BEGIN;
INSERT INTO orders.inbox (id, source, type, subject, sequence)
VALUES (:captured, 'payment', 'payment.captured.v1', :o, 1);
UPDATE orders.orders SET status = 'confirmed', version = 2 WHERE id = :o;
INSERT INTO orders.outbox (id, shard, type, subject, sequence, data, correlation_id, causation_id)
VALUES (:confirmed, 0, 'order.confirmed.v1', :o, 2,
        '{"customer": "bench", "total_cents": 1000, "currency": "EUR", "email": "customer@example.com"}', :o, :captured);
UPDATE orders.stock SET reserved = reserved - 1, sold = sold + 1 WHERE sku = :sku;
COMMIT;

-- 5. the notification service hears of it, and the mail is sent (one transaction here, two there)
BEGIN;
INSERT INTO notifications.inbox (id, source, type, subject, sequence)
VALUES (:confirmed, 'order', 'order.confirmed.v1', :o, 2);
INSERT INTO notifications.notifications (id, partition, version, order_id, customer, kind, status, email)
VALUES (:mail, 0, 1, :o, 'bench', 'order_confirmed', 'sent', 'customer@example.com');
INSERT INTO notifications.effects (id, kind, subject, aggregate_id, payload, partition, correlation_id, causation_id,
                                   attempt, done_at, outcome)
VALUES (:mail, 'mail', :o, :mail, '{"kind": "order_confirmed"}', 0, :o, :confirmed, 1, now(), 'done');
INSERT INTO notifications.outbox (id, shard, type, subject, sequence, data, correlation_id, causation_id)
VALUES (:sent, 0, 'notification.sent.v1', :o, 1, '{"kind": "order_confirmed"}', :o, :confirmed);
COMMIT;
