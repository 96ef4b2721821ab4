"""Finds languages and common words for the local models."""

import re
from collections import Counter
from math import log
from pathlib import Path

from tokenizers import Tokenizer

_FUNCTION_WORDS = {
    "en": "the of and to in is it that for was with as on be at by this are from have or an not but you your",
    "de": "der die und das ist nicht ein eine den von zu mit auf für im dem des sich auch wird sind bei",
    "fr": "le la les des et est une du dans que pour qui sur pas au par avec sont ce cette il vous nous",
    "es": "el los las del que una por con para es se no su al como más pero sus este esta son",
    "it": "il di che della per una con non sono del le gli nel alla dei è da come anche più",
    "nl": "het een van de en dat niet met voor zijn op aan ook als bij naar door wordt deze",
    "pt": "os não uma do da em para com que por mais dos das ao são como pelo foi sua",
}
_LANGUAGE_OF_WORD: dict[str, list[str]] = {}
for _language, _words in _FUNCTION_WORDS.items():
    for _word in _words.split():
        _LANGUAGE_OF_WORD.setdefault(_word, []).append(_language)

_SCRIPTS = {
    "ja": "[\u3040-\u30ff]", "ko": "[\uac00-\ud7af]", "zh": "[\u4e00-\u9fff]",
    "ar": "[\u0600-\u06ff]", "ru": "[\u0400-\u04ff]", "el": "[\u0370-\u03ff]", "he": "[\u0590-\u05ff]",
}  # fmt: skip
_FIRST_WORD = 1996  # the tokens before it are special tokens, punctuation and single characters


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, by script or function words; None if it is unclear."""
    sample = text[:20_000]
    letters = sum(character.isalpha() for character in sample)
    for language, script in _SCRIPTS.items():
        if letters and len(re.findall(script, sample)) > 0.2 * letters:
            return language
    words = re.findall(r"[^\W\d_]+", sample.lower())
    counts = Counter(language for word in words for language in _LANGUAGE_OF_WORD.get(word, ()))
    for language, count in counts.most_common(1):
        if count >= 3 and count >= 0.08 * len(words):
            return language
    return None


class Words:
    """English words ranked by frequency, which is their order in the vocabulary of BERT's tokenizer."""

    def __init__(self, model_folder: Path) -> None:
        vocabulary = Tokenizer.from_file(str(model_folder / "tokenizer.json")).get_vocab()
        ranks = ((word, rank - _FIRST_WORD) for word, rank in vocabulary.items() if word.isalpha())
        self._rank = {word: rank for word, rank in ranks if rank >= 0}

    def knows(self, word: str) -> bool:
        return word.lower() in self._rank

    def keywords(self, text: str, *, limit: int) -> list[str]:
        """Return the typical words of a text in lower case, by tf-idf. The idf comes from a word's rank."""
        counts = Counter(re.findall(r"[^\W\d_]{4,}", text.lower()))
        for plural in [word for word in counts if word.endswith("s") and word[:-1] in counts]:
            counts[plural[:-1]] += counts.pop(plural)
        scores = {
            word: count * log(1 + self._rank.get(word, 30_000) / 200)
            for word, count in counts.items()
            if count >= 2 and word not in _LANGUAGE_OF_WORD
        }
        return sorted(scores, key=lambda word: (-scores[word], word))[:limit]
