-- :name insert
INSERT INTO audit_log (command, email, request_id, actor, detail)
VALUES (%(command)s, %(email)s, %(request_id)s, %(actor)s, %(detail)s)

-- :name list
SELECT id, at, command, email, request_id, actor, detail FROM audit_log
WHERE %(before)s::bigint IS NULL OR id < %(before)s
ORDER BY id DESC LIMIT %(limit)s
