-- A search copies each code that is stored with a short header before it compares it: 30% of a search of 1,000,000.
-- The column's STORAGE PLAIN forbids such headers, but INSERT forms its rows by the type's own storage; what a trigger
-- sets in a row goes by the column's.
CREATE FUNCTION keep_code_plain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.code := NEW.code || B'';
    RETURN NEW;
END $$;
CREATE TRIGGER code_written BEFORE INSERT OR UPDATE ON codes FOR EACH ROW EXECUTE FUNCTION keep_code_plain();
UPDATE codes SET code = code;
