-- Accounts and API keys. A third role beside the app's own, entered by SET LOCAL ROLE as collections_system is:
--   collections_gatekeeper  finds an account by its address, an API key by its hash, and registers, before a user
--                           is known; it sees these columns of all users and nothing else

DO $$
BEGIN
    CREATE ROLE collections_gatekeeper NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    GRANT collections_gatekeeper TO collections_app WITH INHERIT FALSE, SET TRUE;
EXCEPTION WHEN unique_violation OR internal_error THEN NULL; -- another database of this cluster does the same right now
END $$;

CREATE TABLE accounts (
    user_id text PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    email text CHECK (char_length(email) <= 254),
    password_hash text,
    role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    plan text NOT NULL DEFAULT 'free' CHECK (plan IN ('free', 'team')),
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CHECK ((email IS NULL) = (password_hash IS NULL))
);
COMMENT ON COLUMN accounts.email IS 'as it was given; null, as the password is, for the users of an OIDC issuer';
CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));

CREATE TABLE api_keys (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    sha256 text NOT NULL UNIQUE,
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'write', 'admin'] AND cardinality(scopes) > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (user_id, id)
);
COMMENT ON COLUMN api_keys.sha256 IS 'of the whole key, which is 256 random bits and so needs no slow hash';
COMMENT ON COLUMN api_keys.prefix IS 'the key''s first characters, for people to tell it by';
CREATE INDEX api_keys_created ON api_keys (user_id, created_at DESC);

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON accounts TO collections_operator USING (true);
CREATE POLICY operator ON api_keys TO collections_operator USING (true);

-- Nobody changes a role, a plan or the end of an account but the operator.
CREATE POLICY tenant ON accounts TO collections_app USING (user_id = (SELECT current_user_id()));
GRANT SELECT, UPDATE (name, password_hash) ON accounts TO collections_app;
CREATE POLICY tenant ON api_keys TO collections_app USING (user_id = (SELECT current_user_id()));
GRANT SELECT, INSERT, DELETE ON api_keys TO collections_app;

CREATE POLICY gatekeeper ON users TO collections_gatekeeper USING (true);
GRANT SELECT (id), INSERT (id) ON users TO collections_gatekeeper;
CREATE POLICY gatekeeper ON accounts TO collections_gatekeeper USING (true);
GRANT SELECT (user_id, email, password_hash, role, plan, disabled_at),
    INSERT (user_id, email, password_hash, role, name) ON accounts TO collections_gatekeeper;
CREATE POLICY gatekeeper ON api_keys TO collections_gatekeeper USING (true);
GRANT SELECT (user_id, id, sha256, scopes, expires_at, last_used_at), UPDATE (last_used_at) ON api_keys
    TO collections_gatekeeper;
