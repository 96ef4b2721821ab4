-- :name lock
SELECT pg_advisory_xact_lock(hashtextextended('storage ' || %(user_id)s, 0))

-- An object that was not announced has its size with its item. Copies are objects of their own.
-- :name sum
SELECT (SELECT coalesce(sum(coalesce(u.size_bytes, i.size_bytes)), 0)
        FROM uploads u LEFT JOIN items i ON i.user_id = u.user_id AND i.id = u.item_id
        WHERE u.user_id = %(user_id)s AND u.status <> 'expired' AND u.key <> ALL (%(except_keys)s::text[]))
     + (SELECT coalesce(sum(derived_bytes), 0) FROM items WHERE user_id = %(user_id)s) AS bytes
