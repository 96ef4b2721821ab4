-- The deletion of accounts: what is still to be done, and the receipt of what was.
CREATE TABLE account_deletions (
    id uuid PRIMARY KEY,
    user_id text,
    user_sha256 text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    counts jsonb NOT NULL,
    objects bigint NOT NULL DEFAULT 0,
    CHECK ((user_id IS NULL) = (finished_at IS NOT NULL))
);
COMMENT ON COLUMN account_deletions.user_id IS 'until the deletion has finished';
COMMENT ON COLUMN account_deletions.user_sha256 IS 'refuses late events of this user; null once a user of an outside issuer has come back';
COMMENT ON COLUMN account_deletions.counts IS 'what the account had, by kind, when its deletion began';
COMMENT ON COLUMN account_deletions.objects IS 'versions of objects, and uploads in parts, that were deleted';
CREATE INDEX account_deletions_open ON account_deletions (requested_at) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX account_deletions_user ON account_deletions (user_sha256);

ALTER TABLE account_deletions ENABLE ROW LEVEL SECURITY;
ALTER TABLE account_deletions FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON account_deletions TO collections_operator USING (true);
CREATE POLICY system ON account_deletions TO collections_system USING (true);
GRANT SELECT, UPDATE (user_id, finished_at, objects) ON account_deletions TO collections_system;
-- Whoever knows a receipt's id reads it, without an account. Who the user was is not shown.
CREATE POLICY gatekeeper ON account_deletions TO collections_gatekeeper USING (true);
GRANT SELECT (id, requested_at, finished_at, counts, objects, user_sha256), UPDATE (user_sha256)
    ON account_deletions TO collections_gatekeeper;

-- A late event or a worker must not bring a deleted user back.
CREATE FUNCTION refuse_deleted_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM account_deletions WHERE user_sha256 = encode(sha256(convert_to(NEW.id, 'UTF8')), 'hex')) THEN
        RAISE EXCEPTION 'This account was deleted.' USING ERRCODE = 'UD410';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION refuse_deleted_user FROM public;
CREATE TRIGGER users_refused BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION refuse_deleted_user();

-- The first step, of the user's own transaction: no credential is good any more, and no work of the user goes on.
CREATE FUNCTION begin_account_deletion(receipt uuid, session_count int) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE of_user text := current_user_id();
BEGIN
    PERFORM FROM accounts WHERE user_id = of_user FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO account_deletions (id, user_id, user_sha256, counts)
    SELECT receipt, of_user, encode(sha256(convert_to(of_user, 'UTF8')), 'hex'), jsonb_build_object(
        'items', (SELECT count(*) FROM items WHERE user_id = of_user),
        'chunks', (SELECT count(*) FROM chunks WHERE user_id = of_user),
        'collections', (SELECT count(*) FROM collections WHERE user_id = of_user),
        'conversations', (SELECT count(*) FROM conversations WHERE user_id = of_user),
        'messages', (SELECT count(*) FROM messages WHERE user_id = of_user),
        'exercises', (SELECT count(*) FROM exercises WHERE user_id = of_user),
        'jobs', (SELECT count(*) FROM jobs WHERE user_id = of_user),
        'runs', (SELECT count(*) FROM tasks WHERE user_id = of_user AND run_id IS NOT NULL),
        'webhooks', (SELECT count(*) FROM webhooks WHERE user_id = of_user),
        'api_keys', (SELECT count(*) FROM api_keys WHERE user_id = of_user),
        'sessions', session_count);
    DELETE FROM jobs WHERE user_id = of_user;
    DELETE FROM webhooks WHERE user_id = of_user;
    DELETE FROM tasks WHERE user_id = of_user;
    DELETE FROM api_keys WHERE user_id = of_user;
    DELETE FROM accounts WHERE user_id = of_user;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION begin_account_deletion FROM public;
GRANT EXECUTE ON FUNCTION begin_account_deletion TO collections_app;

-- The next steps: some items a transaction, as each has many rows; then the user with all the rest. 0: nothing is left.
CREATE FUNCTION delete_rows_of_account(receipt uuid, at_most int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_user text := (SELECT user_id FROM account_deletions WHERE id = receipt);
    of_owner int := (SELECT number FROM users WHERE id = of_user);
    deleted int;
BEGIN
    DELETE FROM items WHERE user_id = of_user
        AND id IN (SELECT id FROM items WHERE user_id = of_user ORDER BY id LIMIT at_most);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted = 0 THEN
        DELETE FROM term_df WHERE owner = of_owner;
        DELETE FROM corpus_stats WHERE owner = of_owner;
        DELETE FROM users WHERE id = of_user;
        DELETE FROM cache_entries WHERE user_id = of_user;
        DELETE FROM object_deletions WHERE user_id = of_user;
        DELETE FROM dead_letters WHERE user_id = of_user;
    END IF;
    RETURN deleted;
END $$;
REVOKE ALL ON FUNCTION delete_rows_of_account FROM public;
GRANT EXECUTE ON FUNCTION delete_rows_of_account TO collections_system;
