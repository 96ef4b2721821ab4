-- Administrators are made by the operator only; the scope of the account itself is no longer that of administrators.

-- Until now the first account could be made an administrator's by whoever registered it. Nobody is one by registering.
ALTER POLICY gatekeeper ON accounts USING (true) WITH CHECK (role = 'user');

-- A change of address: the app changes that of the one user it works for.
GRANT UPDATE (email) ON accounts TO collections_app;

ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_check;
UPDATE api_keys SET scopes = array_append(scopes, 'account') WHERE 'admin' = ANY (scopes);
ALTER TABLE api_keys ADD CONSTRAINT api_keys_scopes_check
    CHECK (scopes <@ ARRAY['read', 'write', 'account', 'admin'] AND cardinality(scopes) > 0);
COMMENT ON COLUMN api_keys.scopes IS 'account: what the user may do to the account itself; admin: what only administrators may';
