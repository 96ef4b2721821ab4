-- As the gatekeeper, who knows no user yet:
-- :name find_by_email
SELECT user_id, email, password_hash, address_changes, disabled_at FROM accounts
WHERE lower(email) = lower(%(email)s)

-- :name insert_user
INSERT INTO users (id) VALUES (%(user_id)s) ON CONFLICT (id) DO NOTHING

-- :name insert
INSERT INTO accounts (user_id, email, password_hash, name)
VALUES (%(user_id)s, %(email)s, %(password_hash)s, %(name)s)

-- As its user:
-- :name find
SELECT user_id, email, password_hash, address_changes, role, plan, name, created_at, disabled_at FROM accounts
WHERE user_id = %(user_id)s

-- :name set_name
UPDATE accounts SET name = %(name)s WHERE user_id = %(user_id)s

-- The new hash matches too: this may run again after the answer of its commit was lost.
-- :name set_password_hash
UPDATE accounts SET password_hash = %(password_hash)s
WHERE user_id = %(user_id)s AND password_hash IN (%(old_hash)s, %(password_hash)s)

-- The new address matches too, for the same reason; it is no change then.
-- :name set_email
UPDATE accounts SET email = %(email)s, address_changes = address_changes + (email <> %(email)s)::int
WHERE user_id = %(user_id)s AND email IN (%(old_email)s, %(email)s)

-- As the operator:
-- :name set_role
UPDATE accounts SET role = %(role)s WHERE lower(email) = lower(%(email)s)

-- :name list_admins
SELECT user_id, email, name, created_at, disabled_at FROM accounts WHERE role = 'admin' ORDER BY created_at, user_id
