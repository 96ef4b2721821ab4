-- Variants tell which request headers an entry was made for.
-- :name find
SELECT headers, body,
       age_s + floor(extract(epoch FROM clock_timestamp() - stored_at))::int AS age_s
FROM cache_entries
WHERE key = %(key)s AND (user_id, variant) IN ((%(user_id)s, %(own_variant)s), ('', %(public_variant)s))
  AND fresh_until > clock_timestamp()
ORDER BY stored_at DESC LIMIT 1

-- vary and absent are for the release before this one: with a header of no name, it never gives these entries.
-- :name upsert
INSERT INTO cache_entries (user_id, key, variant, vary, absent, headers, body, age_s, stored_at, fresh_until)
VALUES (%(user_id)s, %(key)s, %(variant)s, '{"": ""}', '{}', %(headers)s::jsonb, %(body)s::bytea,
        %(age_s)s, clock_timestamp(), clock_timestamp() + %(fresh_s)s * interval '1 second')
ON CONFLICT (user_id, key, variant) DO UPDATE
SET headers = excluded.headers, body = excluded.body,
    age_s = excluded.age_s, stored_at = excluded.stored_at, fresh_until = excluded.fresh_until

-- Delete the owner's stale entries, and of the others those beyond `keep` that become stale first.
-- :name trim
DELETE FROM cache_entries WHERE (user_id, key, variant) IN (
    SELECT user_id, key, variant FROM cache_entries WHERE user_id = %(user_id)s
    ORDER BY fresh_until DESC OFFSET %(keep)s)
   OR (user_id = %(user_id)s AND fresh_until < clock_timestamp())

-- :name delete
DELETE FROM cache_entries WHERE user_id IN (%(user_id)s, '') AND key = %(key)s

-- :name prune
DELETE FROM cache_entries WHERE fresh_until < clock_timestamp()
