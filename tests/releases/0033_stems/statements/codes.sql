-- As the system:
-- :name code_next
SELECT code_large_owners(%(bound)s, %(at_most)s) AS n
