-- :name insert
INSERT INTO audit_log (command, email, request_id) VALUES (%(command)s, %(email)s, %(request_id)s)

-- :name list_latest
SELECT at, command, email, request_id FROM audit_log ORDER BY id DESC LIMIT %(limit)s
