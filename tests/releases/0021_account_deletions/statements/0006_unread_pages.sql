-- Pages of which there is only a picture: their text is read off it when the document is analysed.

ALTER TABLE items ADD COLUMN unread_pages int[] NOT NULL DEFAULT '{}', ADD COLUMN scans_read int NOT NULL DEFAULT 0;
COMMENT ON COLUMN items.unread_pages IS 'pages whose picture has not been looked at; of a READY document those beyond the most that are';
COMMENT ON COLUMN items.scans_read IS 'of how many pages the picture has been looked at';

-- The column is only added at the end, so that the previous release goes on reading the view.
CREATE OR REPLACE VIEW documents WITH (security_invoker = true) AS
    SELECT user_id, id AS document_id, sha256 AS file_hash, name AS filename, created_at AS upload_date, status, page_count,
           jsonb_build_object('title', title, 'size_bytes', size_bytes, 'media_type', media_type) AS metadata,
           kind IS NOT NULL AS is_read, pages_read, failure_code, failure_message, unread_pages
    FROM items i
    WHERE kind = 'pdf'
       OR (kind IS NULL AND (name ILIKE '%.pdf' OR EXISTS (
              SELECT FROM uploads u
              WHERE u.user_id = i.user_id AND u.item_id = i.id AND u.content_type = 'application/pdf')));
