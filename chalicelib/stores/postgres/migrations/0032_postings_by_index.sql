-- Outside a transaction: ingestion goes on meanwhile. A query's postings are read from the index alone. From the table it
-- was a page of the table for each posting.
DROP INDEX CONCURRENTLY IF EXISTS postings_found;
CREATE INDEX CONCURRENTLY postings_found ON postings (owner, term, page_id) INCLUDE (tf, dl);
DROP INDEX CONCURRENTLY IF EXISTS postings_term;
