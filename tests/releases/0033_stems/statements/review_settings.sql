-- :name get
SELECT version, desired_retention, day_begins_utc_hour, new_a_day, parameters, fitted_at, fitted_reviews,
       log_loss_default, log_loss_fitted
FROM review_settings WHERE user_id = %(user_id)s

-- :name insert
INSERT INTO review_settings (user_id) VALUES (%(user_id)s) ON CONFLICT DO NOTHING

-- :name lock
-- :include get
FOR UPDATE

-- :name update
UPDATE review_settings
SET version = version + (desired_retention <> %(desired_retention)s OR day_begins_utc_hour <> %(day_begins_utc_hour)s
                         OR parameters IS DISTINCT FROM %(parameters)s::double precision[])::int,
    desired_retention = %(desired_retention)s, day_begins_utc_hour = %(day_begins_utc_hour)s,
    new_a_day = %(new_a_day)s, parameters = %(parameters)s::double precision[]
WHERE user_id = %(user_id)s

-- :name set_fit
UPDATE review_settings
SET version = version + (parameters IS DISTINCT FROM %(parameters)s::double precision[])::int,
    parameters = %(parameters)s::double precision[], fitted_at = now(), fitted_reviews = %(reviews)s,
    log_loss_default = %(log_loss_default)s, log_loss_fitted = %(log_loss_fitted)s
WHERE user_id = %(user_id)s
