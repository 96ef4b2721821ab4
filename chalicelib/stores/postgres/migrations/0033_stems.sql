-- Like 'russian' and 'hindi', which Postgres has: English words have their stems beside those of the other language.
CREATE TEXT SEARCH CONFIGURATION arabic_and_english (COPY = english);
ALTER TEXT SEARCH CONFIGURATION arabic_and_english ALTER MAPPING FOR word, hword, hword_part WITH arabic_stem;
CREATE TEXT SEARCH CONFIGURATION greek_and_english (COPY = english);
ALTER TEXT SEARCH CONFIGURATION greek_and_english ALTER MAPPING FOR word, hword, hword_part WITH greek_stem;
