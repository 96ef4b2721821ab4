-- :name insert
INSERT INTO usage_ledger (user_id, operation, provider, model, input_tokens, cached_tokens, cache_write_tokens,
                          cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms,
                          item_id, run_id, message_id, exercise_id)
SELECT %(user_id)s, operation, provider, model, input_tokens, cached_tokens, cache_write_tokens,
       cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms,
       %(item_id)s, %(run_id)s, %(message_id)s, %(exercise_id)s
FROM jsonb_to_recordset(%(calls)s::jsonb) AS call (
    operation text, provider text, model text, input_tokens int, cached_tokens int, cache_write_tokens int,
    cache_write_1h_tokens int, output_tokens int, pixels int, cost_usd numeric, price_since date, latency_ms int)

-- :name sum_of_run
SELECT coalesce(sum(cost_usd), 0) AS cost_usd, count(*) AS calls,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls
FROM usage_ledger WHERE user_id = %(user_id)s AND run_id = %(run_id)s
