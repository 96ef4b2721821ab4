-- As its user:
-- :name begin
SELECT begin_account_deletion(%(receipt_id)s, %(session_count)s) AS begun

-- As the gatekeeper:
-- :name find
SELECT id::text, requested_at, finished_at, counts, objects FROM account_deletions WHERE id = %(receipt_id)s

-- :name release
UPDATE account_deletions SET user_sha256 = NULL
WHERE user_sha256 = encode(sha256(convert_to(%(user_id)s, 'UTF8')), 'hex') AND finished_at IS NOT NULL

-- As the system:
-- :name list_open
SELECT id::text, user_id, requested_at FROM account_deletions WHERE finished_at IS NULL
ORDER BY requested_at LIMIT %(limit)s

-- :name delete_rows
SELECT delete_rows_of_account(%(receipt_id)s, %(limit)s) AS deleted

-- :name count_objects
UPDATE account_deletions SET objects = objects + %(count)s WHERE id = %(receipt_id)s AND finished_at IS NULL

-- :name finish
UPDATE account_deletions SET user_id = NULL, finished_at = now() WHERE id = %(receipt_id)s AND finished_at IS NULL
