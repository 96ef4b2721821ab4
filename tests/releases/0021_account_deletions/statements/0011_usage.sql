-- The ledger of models' calls: one row for each call that was answered, with its cost on that day. Rows are never changed.
CREATE TABLE usage_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    operation text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    input_tokens int NOT NULL,
    cached_tokens int NOT NULL,
    cache_write_tokens int NOT NULL,
    cache_write_1h_tokens int NOT NULL,
    output_tokens int NOT NULL,
    pixels int NOT NULL,
    cost_usd numeric CHECK (cost_usd >= 0),
    price_since date,
    latency_ms int NOT NULL,
    item_id text,
    run_id text,
    message_id text,
    exercise_id text,
    CHECK ((cost_usd IS NULL) = (price_since IS NULL))
);
COMMENT ON COLUMN usage_ledger.input_tokens IS 'neither read from the provider''s cache nor written to it: the counts do not overlap';
COMMENT ON COLUMN usage_ledger.cost_usd IS 'null: the model had no price';
COMMENT ON COLUMN usage_ledger.price_since IS 'since when the price held that the cost was made with';
COMMENT ON COLUMN usage_ledger.latency_ms IS 'from the answer before it, or the beginning, to its own answer; with the waits between';
COMMENT ON COLUMN usage_ledger.item_id IS 'no reference, as the next three: what was deleted was paid for';
CREATE INDEX usage_ledger_at ON usage_ledger (user_id, at);
CREATE INDEX usage_ledger_run ON usage_ledger (user_id, run_id) WHERE run_id IS NOT NULL;

ALTER TABLE usage_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON usage_ledger TO collections_operator USING (true);
CREATE POLICY tenant ON usage_ledger TO collections_app USING (user_id = (SELECT current_user_id()));
CREATE POLICY system ON usage_ledger FOR SELECT TO collections_system USING (true);
GRANT SELECT, INSERT ON usage_ledger TO collections_app;
-- For sums over the stage. What a call was for is not among them.
GRANT SELECT (id, user_id, at, operation, provider, model, input_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens,
              output_tokens, pixels, cost_usd, price_since, latency_ms) ON usage_ledger TO collections_system;
