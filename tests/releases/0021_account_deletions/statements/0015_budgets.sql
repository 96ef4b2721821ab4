-- What models may cost a month. What is spent and what is reserved for calls under way stand in one row a user and month, and
-- in one for the stage, so that calls at the same time count each other.
CREATE TABLE spending (
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    month date NOT NULL,
    spent_usd numeric NOT NULL DEFAULT 0,
    reserved_usd numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, month)
);
COMMENT ON COLUMN spending.month IS 'its first day, in UTC';
CREATE TABLE stage_spending (
    month date PRIMARY KEY,
    spent_usd numeric NOT NULL DEFAULT 0,
    reserved_usd numeric NOT NULL DEFAULT 0
);
COMMENT ON TABLE stage_spending IS 'of all users together; it outlives them';
CREATE TABLE reservations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    month date NOT NULL,
    amount_usd numeric NOT NULL,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE reservations IS 'of calls under way; the sweep frees those of a process that is gone';
CREATE INDEX reservations_expires_at ON reservations (expires_at);

INSERT INTO spending (user_id, month, spent_usd)
SELECT user_id, date_trunc('month', at AT TIME ZONE 'UTC')::date, coalesce(sum(cost_usd), 0) FROM usage_ledger GROUP BY 1, 2;
INSERT INTO stage_spending (month, spent_usd) SELECT month, sum(spent_usd) FROM spending GROUP BY 1;

ALTER TABLE spending ENABLE ROW LEVEL SECURITY;
ALTER TABLE spending FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON spending TO collections_operator USING (true);
CREATE POLICY tenant ON spending TO collections_app USING (user_id = (SELECT current_user_id()));
CREATE POLICY system ON spending TO collections_system USING (true);
GRANT SELECT, INSERT, UPDATE ON spending TO collections_app, collections_system;
ALTER TABLE reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE reservations FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON reservations TO collections_operator USING (true);
CREATE POLICY tenant ON reservations TO collections_app USING (user_id = (SELECT current_user_id()));
CREATE POLICY system ON reservations TO collections_system USING (true);
GRANT SELECT, INSERT, DELETE ON reservations TO collections_app;
GRANT SELECT, DELETE ON reservations TO collections_system;
-- No tenant's. The API shows the stage's sums to administrators only.
GRANT SELECT, INSERT, UPDATE ON stage_spending TO collections_app, collections_system;
-- For sums over the stage by item's id, which the system reads in `tasks` too.
GRANT SELECT (item_id) ON usage_ledger TO collections_system;
