-- Exercises about pictures and about a text that is given with the request; who wrote an exercise, in which language.

ALTER TABLE exercises DROP CONSTRAINT exercises_kind_check;
ALTER TABLE exercises ADD CONSTRAINT exercises_kind_check
    CHECK (kind IN ('multiple_choice', 'cloze', 'short_answer', 'ordered_steps', 'image_question'));
ALTER TABLE exercises DROP CONSTRAINT exercises_source_check;
ALTER TABLE exercises ADD CONSTRAINT exercises_source_check CHECK (source IN ('text', 'caption', 'ocr', 'given'));
ALTER TABLE exercises ADD COLUMN passage text;
ALTER TABLE exercises ADD COLUMN writer text NOT NULL DEFAULT 'keyless';
ALTER TABLE exercises ADD COLUMN language text;
ALTER TABLE exercises ADD COLUMN edited_at timestamptz;
COMMENT ON COLUMN exercises.passage IS 'what stands around the quote in a given text, which is stored nowhere else';
COMMENT ON COLUMN exercises.writer IS 'keyless, or the provider and model that wrote it';
CREATE INDEX exercises_item ON exercises (user_id, item_id, created_at DESC);
