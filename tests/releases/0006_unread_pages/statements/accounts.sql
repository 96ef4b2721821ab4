-- As the gatekeeper, who knows no user yet:
-- :name find_by_email
SELECT user_id, email, password_hash, role, plan, disabled_at FROM accounts
WHERE lower(email) = lower(%(email)s)

-- :name insert_user
INSERT INTO users (id) VALUES (%(user_id)s) ON CONFLICT (id) DO NOTHING

-- The stage's first account may be an administrator's.
-- :name insert
INSERT INTO accounts (user_id, email, password_hash, role, name)
SELECT %(user_id)s, %(email)s, %(password_hash)s,
       CASE WHEN %(may_be_admin)s::boolean AND NOT EXISTS (SELECT user_id FROM accounts) THEN 'admin' ELSE 'user' END,
       %(name)s

-- As its user:
-- :name find
SELECT user_id, email, password_hash, role, plan, name, created_at, disabled_at FROM accounts
WHERE user_id = %(user_id)s

-- :name set_name
UPDATE accounts SET name = %(name)s WHERE user_id = %(user_id)s

-- Or the new one: this may be run again because its commit's answer was lost.
-- :name set_password_hash
UPDATE accounts SET password_hash = %(password_hash)s
WHERE user_id = %(user_id)s AND password_hash IN (%(old_hash)s, %(password_hash)s)
