"""Measures the keyless grading of answers (model/practice/grading.py), or fits its weights.

python -m bench.grading FOLDER          accuracy and Cohen's kappa on each test set
python -m bench.grading FOLDER --fit    writes model/practice/grading_weights.py and common_words.py, with
                                        leave-one-module-out figures

The folder holds SciEntsBank of SemEval-2013 task 7 as JSON lines: question_id, question, references, answer, label
(correct, contradictory, incorrect). An answer is right for the grader from a score of 0.5 on. The vectors are those of
the local model; they are kept in .local/bench.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bench.corpus import KeptEmbedder
from chalicelib.model.practice.grading import CONTRADICTED, is_turned_round, score_answer
from chalicelib.model.practice.grading_features import Similarity, cosines_of, features_of
from chalicelib.model.practice.word_alignment import words_to_align
from local.models.minilm import model_folder
from local.models.text_models import MODEL

Floats = NDArray[np.float64]
TESTS = ("test_unseen_answers", "test_unseen_questions", "test_unseen_domains")
PRACTICE = Path(__file__).resolve().parent.parent / "chalicelib/model/practice"
VECTORS = Path(".local/bench/vectors-grading.npz")
# An intercept a question is fitted beside the weights and then dropped: else they learn which questions are hard.
SHRINK, SHRINK_QUESTIONS = 500.0, 0.2
STRICT = 0.1  # of the contradictory answers: what it costs if no more of them pass is printed
COMMON_WORDS, FIRST_WORD = 1500, 1996  # of BERT's vocabulary, which has words by frequency from there on


class Rows:
    """The answers of one file, and for each the cosines of its vectors."""

    def __init__(self, path: Path, embedder: KeptEmbedder) -> None:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        self.texts = [(row["question"], row["references"][0], row["answer"]) for row in rows]
        self.is_correct = np.array([row["label"] == "correct" for row in rows], float)
        self.contradicts = np.array([row["label"] == "contradictory" for row in rows])
        self.questions = np.array([row["question_id"] for row in rows])
        self.modules = np.array([row["question_id"].partition("_")[0] for row in rows])
        self.similarities = _similarities(self.texts, embedder)
        self.turned_round = np.array([is_turned_round(*texts) for texts in self.texts])

    def features(self, *, with_vectors: bool) -> tuple[list[str], Floats]:
        found = [
            features_of(*texts, similarity if with_vectors else None)
            for texts, similarity in zip(self.texts, self.similarities, strict=True)
        ]
        return list(found[0]), np.array([list(each.values()) for each in found])


def _similarities(texts: list[tuple[str, str, str]], embedder: KeptEmbedder) -> list[Similarity]:
    unique = sorted({text for row in texts for text in row})
    words = sorted({word for text in unique for word in words_to_align(text)})
    vector = dict(zip(unique, _vectors(unique, embedder).tolist(), strict=True))
    of_words = _vectors(words, embedder)
    place, cosines = {word: n for n, word in enumerate(words)}, (of_words @ of_words.T).tolist()

    def likeness(one: str, other: str) -> float:
        return float(cosines[place[one]][place[other]])

    return [
        Similarity(models=cosines_of(vector[q], vector[r], vector[a]), likeness=likeness) for q, r, a in texts
    ]


def _vectors(texts: list[str], embedder: KeptEmbedder) -> NDArray[np.float32]:
    parts = [
        np.array(embedder.embed(texts[n : n + 256], purpose="query", timeout_s=600), np.float32)
        for n in range(0, len(texts), 256)
    ]
    embedder.keep()
    return np.concatenate(parts)


def agreement(scores: Floats, is_correct: Floats, bound: float = 0.5) -> tuple[float, float]:
    """Return accuracy and Cohen's kappa of the scores from the bound on."""
    said = scores >= bound
    right, share, truth = float((said == is_correct).mean()), said.mean(), is_correct.mean()
    by_chance = share * truth + (1 - share) * (1 - truth)
    return right, float((right - by_chance) / (1 - by_chance))


def told(name: str, scores: Floats, rows: Rows, bound: float = 0.5) -> str:
    right, kappa = agreement(scores, rows.is_correct, bound)
    wrong = (scores[rows.contradicts] >= bound).mean()
    return (
        f"{name:34} {len(scores):5} accuracy {right:.3f} kappa {kappa:.3f} "
        f"contradictory >= {bound:.2f}: {wrong:.0%}"
    )


def fit(values: Floats, is_correct: Floats, questions: NDArray[Any]) -> tuple[Floats, float]:
    """Return weights and intercept of the features: ridge logistic regression by Newton's method."""
    mean, spread = values.mean(0), values.std(0) + 1e-9
    scaled = (values - mean) / spread
    own = (questions[:, None] == np.unique(questions)).astype(float)
    table = np.hstack([scaled, own, np.ones((len(values), 1))])
    width = scaled.shape[1]
    shrink = np.concatenate([np.full(width, SHRINK), np.full(own.shape[1], SHRINK_QUESTIONS), [1e-9]])
    found = np.zeros(table.shape[1])
    for _ in range(30):
        likely = _logistic(table @ found)
        slope = table.T @ (likely - is_correct) + shrink * found
        bend = (table * (likely * (1 - likely))[:, None]).T @ table + np.diag(shrink)
        step = np.linalg.solve(bend, slope)
        found -= step
        if abs(step).max() < 1e-6:
            break
    weights = found[:width] / spread
    base = values @ weights
    low, high = -99.0, 99.0
    for _ in range(60):  # the intercept with which as many answers are expected to be correct as are
        middle = (low + high) / 2
        low, high = (middle, high) if _logistic(base + middle).mean() < is_correct.mean() else (low, middle)
    return weights, middle


def fit_all(rows: Rows, *, with_vectors: bool) -> dict[str, float]:
    """Return the weights by name; print what they are worth on each module when it is left out."""
    names, values = rows.features(with_vectors=with_vectors)
    scores = np.zeros(len(values))
    for module in np.unique(rows.modules):
        held = rows.modules == module
        weights, intercept = fit(values[~held], rows.is_correct[~held], rows.questions[~held])
        scores[held] = _logistic(values[held] @ weights + intercept)
    scores = np.where(rows.turned_round, np.minimum(scores, CONTRADICTED), scores)
    name = f"one module out, {'' if with_vectors else 'no '}vectors"
    print(told(name, scores, rows))
    print(told(name, scores, rows, float(np.quantile(scores[rows.contradicts], 1 - STRICT))))
    for module in np.unique(rows.modules):
        held = rows.modules == module
        right, kappa = agreement(scores[held], rows.is_correct[held])
        print(f"    {module} {held.sum():4} accuracy {right:.3f} kappa {kappa:.2f}")
    weights, intercept = fit(values, rows.is_correct, rows.questions)
    return {name: round(float(value), 4) for name, value in zip(names, weights, strict=True)} | {
        "intercept": round(intercept, 4)
    }


def write_weights(rows: Rows) -> None:
    text = (
        '"""Weights of the keyless grader. Generated: python -m bench.grading FOLDER --fit\n\n'
        f"Fitted on {len(rows.texts):,} answers of SciEntsBank (Dzikovska et al., SemEval-2013 task 7; CC BY-SA 3.0;\n"
        f"github.com/myrosia/semeval-2013-task7 at 5157c69, the training part), vectors of {MODEL}.\n"
        f'"""\n\nFITTED_WITH = "{MODEL}"  # WITH_VECTORS fit the vectors of this model only\n'
    )
    for name, with_vectors in (("WITH_VECTORS", True), ("WITHOUT_VECTORS", False)):
        weights = fit_all(rows, with_vectors=with_vectors)
        lines = "".join(f'    "{feature}": {value},\n' for feature, value in weights.items())
        text += f"\n{name} = {{\n{lines}}}\n"
    (PRACTICE / "grading_weights.py").write_text(text)


def write_common_words() -> None:
    vocabulary = Tokenizer.from_file(str(model_folder() / "tokenizer.json")).get_vocab()
    ranked = sorted(
        (rank, word) for word, rank in vocabulary.items() if rank >= FIRST_WORD and word.isalpha()
    )
    lines, line = [], ""
    for _, word in ranked[:COMMON_WORDS]:
        if len(line) + len(word) > 110:
            lines, line = [*lines, line], ""
        line = f"{line} {word}".strip()
    body = "\n".join([*lines, line])
    (PRACTICE / "common_words.py").write_text(
        '"""The commonest English words, most frequent first. Generated: python -m bench.grading FOLDER --fit\n\n'
        "They are the first words of the vocabulary of bert-base-uncased (Devlin et al. 2018; Apache 2.0), which is\n"
        f'ordered by frequency.\n"""\n\nCOMMON = """\n{body}\n"""\n'
    )


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    embedder = KeptEmbedder(VECTORS)
    if given.fit:
        write_common_words()
        write_weights(Rows(given.folder / "train.jsonl", embedder))
        return
    for name in TESTS:
        rows = Rows(given.folder / f"{name}.jsonl", embedder)
        for kind, similarities in (("", rows.similarities), (", no vectors", [None] * len(rows.texts))):
            pairs = zip(rows.texts, similarities, strict=True)
            scores = np.array([score_answer(*texts, similarity) for texts, similarity in pairs])
            print(told(name.removeprefix("test_") + kind, scores, rows))


if __name__ == "__main__":
    main()
