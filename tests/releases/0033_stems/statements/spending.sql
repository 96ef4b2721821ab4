-- No row comes back when it would be over the limit. A limit that is null is none.
-- :name reserve
INSERT INTO spending (user_id, month, reserved_usd)
SELECT %(user_id)s, date_trunc('month', now() AT TIME ZONE 'UTC')::date, %(amount_usd)s::numeric
WHERE %(limit_usd)s::numeric IS NULL OR %(amount_usd)s::numeric <= %(limit_usd)s::numeric
ON CONFLICT (user_id, month) DO UPDATE SET reserved_usd = spending.reserved_usd + excluded.reserved_usd
WHERE %(limit_usd)s::numeric IS NULL
   OR spending.spent_usd + spending.reserved_usd + excluded.reserved_usd <= %(limit_usd)s::numeric
RETURNING month

-- :name reserve_of_stage
INSERT INTO stage_spending (month, reserved_usd)
SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date, %(amount_usd)s::numeric
WHERE %(limit_usd)s::numeric IS NULL OR %(amount_usd)s::numeric <= %(limit_usd)s::numeric
ON CONFLICT (month) DO UPDATE SET reserved_usd = stage_spending.reserved_usd + excluded.reserved_usd
WHERE %(limit_usd)s::numeric IS NULL
   OR stage_spending.spent_usd + stage_spending.reserved_usd + excluded.reserved_usd <= %(limit_usd)s::numeric
RETURNING month

-- :name insert_reservation
INSERT INTO reservations (user_id, month, amount_usd, expires_at)
VALUES (%(user_id)s, date_trunc('month', now() AT TIME ZONE 'UTC')::date, %(amount_usd)s, now() + %(ttl_s)s * interval '1 second')
RETURNING id

-- :name delete_reservation
DELETE FROM reservations WHERE user_id = %(user_id)s AND id = %(id)s RETURNING month, amount_usd

-- :name add
INSERT INTO spending AS s (user_id, month, spent_usd)
VALUES (%(user_id)s, coalesce(%(month)s::date, date_trunc('month', now() AT TIME ZONE 'UTC')::date), %(spent_usd)s)
ON CONFLICT (user_id, month) DO UPDATE
SET spent_usd = s.spent_usd + excluded.spent_usd, reserved_usd = s.reserved_usd - %(freed_usd)s
RETURNING spent_usd

-- :name add_to_stage
INSERT INTO stage_spending AS s (month, spent_usd)
VALUES (coalesce(%(month)s::date, date_trunc('month', now() AT TIME ZONE 'UTC')::date), %(spent_usd)s)
ON CONFLICT (month) DO UPDATE
SET spent_usd = s.spent_usd + excluded.spent_usd, reserved_usd = s.reserved_usd - %(freed_usd)s
RETURNING spent_usd

-- :name find
SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month, coalesce(s.spent_usd, 0) AS spent_usd,
       coalesce(s.reserved_usd, 0) AS reserved_usd
FROM (SELECT 1) one LEFT JOIN spending s
  ON s.user_id = %(user_id)s AND s.month = date_trunc('month', now() AT TIME ZONE 'UTC')::date

-- :name find_of_stage
SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month, coalesce(s.spent_usd, 0) AS spent_usd,
       coalesce(s.reserved_usd, 0) AS reserved_usd
FROM (SELECT 1) one LEFT JOIN stage_spending s ON s.month = date_trunc('month', now() AT TIME ZONE 'UTC')::date

-- Users first and then the stage, as everywhere, and users in one order.
-- :name free_expired
WITH expired AS (
    DELETE FROM reservations WHERE id IN (
        SELECT id FROM reservations WHERE expires_at < now() ORDER BY expires_at LIMIT %(limit)s)
    RETURNING user_id, month, amount_usd
)
SELECT user_id, month, sum(amount_usd) AS freed_usd FROM expired GROUP BY 1, 2 ORDER BY 1, 2
