-- A link that changes the address is good once, also when the address becomes again what it was.

ALTER TABLE accounts ADD COLUMN address_changes integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN accounts.address_changes IS 'how often the address was changed; links of before are void';
GRANT UPDATE (address_changes) ON accounts TO collections_app;
GRANT SELECT (address_changes) ON accounts TO collections_gatekeeper;
