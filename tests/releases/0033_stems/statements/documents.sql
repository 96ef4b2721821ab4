-- :name owned
SELECT d.document_id, d.file_hash, d.filename, d.upload_date, d.status, d.page_count, d.is_read, d.pages_read,
       d.unread_pages, d.failure_code, d.failure_message, d.metadata ->> 'title' AS title,
       (d.metadata ->> 'size_bytes')::bigint AS size_bytes, d.metadata ->> 'media_type' AS media_type
FROM documents d
WHERE d.user_id = %(user_id)s

-- :name get
-- :include owned
  AND d.document_id = %(document_id)s

-- :name find_by_hash
-- :include owned
  AND d.file_hash = %(file_hash)s

-- :name list
-- :include owned
  AND (%(status)s::text IS NULL OR d.status = %(status)s)
  AND (%(text)s::text[] IS NULL OR concat_ws(' ', d.filename, d.metadata ->> 'title') ILIKE ANY (%(text)s::text[]))
  AND (%(collection_id)s::uuid IS NULL OR EXISTS (
          SELECT FROM collection_items c
          WHERE c.user_id = d.user_id AND c.collection_id = %(collection_id)s::uuid AND c.item_id = d.document_id))
  AND (%(after_at)s::timestamptz IS NULL OR (d.upload_date, d.document_id) < (%(after_at)s, %(after_id)s))
ORDER BY d.upload_date DESC, d.document_id DESC
LIMIT %(limit)s
