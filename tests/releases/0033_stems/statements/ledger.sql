-- :name insert prepared
INSERT INTO usage_ledger (user_id, operation, provider, model, input_tokens, cached_tokens, cache_write_tokens,
                          cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms,
                          item_id, run_id, message_id, exercise_id)
SELECT %(user_id)s, operation, provider, model, input_tokens, cached_tokens, cache_write_tokens,
       cache_write_1h_tokens, output_tokens, pixels, cost_usd, price_since, latency_ms,
       %(item_id)s, %(run_id)s, %(message_id)s, %(exercise_id)s
FROM jsonb_to_recordset(%(calls)s::jsonb) AS call (
    operation text, provider text, model text, input_tokens int, cached_tokens int, cache_write_tokens int,
    cache_write_1h_tokens int, output_tokens int, pixels int, cost_usd numeric, price_since date, latency_ms int)

-- :name sum_of_run prepared
SELECT coalesce(sum(cost_usd), 0) AS cost_usd, count(*) AS calls,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls
FROM usage_ledger WHERE user_id = %(user_id)s AND run_id = %(run_id)s

-- user_id null: of all users, for the system. Days are in order of time, the others by what they cost.
-- :name list_groups
SELECT CASE %(by)s WHEN 'day' THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') WHEN 'model' THEN provider || '/' || model
            WHEN 'operation' THEN operation WHEN 'item' THEN coalesce(item_id, '') WHEN 'user' THEN user_id END AS key,
       count(*) AS calls, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
       coalesce(sum(cost_usd), 0) AS cost_usd, sum(input_tokens) AS input_tokens, sum(cached_tokens) AS cached_tokens,
       sum(cache_write_tokens + cache_write_1h_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
       sum(pixels) AS pixels, round(avg(latency_ms))::int AS latency_ms
FROM usage_ledger
WHERE (%(user_id)s::text IS NULL OR user_id = %(user_id)s) AND at >= %(since)s AND at < %(until)s
GROUP BY 1
ORDER BY CASE WHEN %(by)s = 'day' THEN 0 ELSE coalesce(sum(cost_usd), 0) END DESC, 1 DESC
OFFSET %(skipped)s LIMIT %(limit)s

-- :name sum
SELECT count(*) AS calls, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
       coalesce(sum(cost_usd), 0) AS cost_usd, coalesce(sum(input_tokens), 0) AS input_tokens,
       coalesce(sum(cached_tokens), 0) AS cached_tokens,
       coalesce(sum(cache_write_tokens + cache_write_1h_tokens), 0) AS cache_write_tokens,
       coalesce(sum(output_tokens), 0) AS output_tokens, coalesce(sum(pixels), 0) AS pixels,
       coalesce(round(avg(latency_ms)), 0)::int AS latency_ms
FROM usage_ledger
WHERE (%(user_id)s::text IS NULL OR user_id = %(user_id)s) AND at >= %(since)s AND at < %(until)s
