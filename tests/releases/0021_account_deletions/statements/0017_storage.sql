-- How much a user stores: the objects that were uploaded or are announced, and what is derived from them.
ALTER TABLE items ADD COLUMN derived_bytes bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN items.derived_bytes IS 'of thumbnail and preview; 0 for files that were read before this was counted';
