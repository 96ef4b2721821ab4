"""Measures the keyless grading of answers (model/practice/grading.py), or fits its weights.

python -m bench.grading FOLDER          accuracy and Cohen's kappa on each test set
python -m bench.grading FOLDER --fit    writes model/practice/grading_weights.py, with leave-one-module-out figures

The folder holds SciEntsBank of SemEval-2013 task 7 as JSON lines: question_id, question, references, answer, label
(correct, contradictory, incorrect). An answer is right for the grader from a score of 0.5 on. The vectors are those of
the local model.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.model.practice.grading import score_answer
from chalicelib.model.practice.grading_features import Similarity, features_of
from local.models.minilm import MiniLM

Floats = NDArray[np.float64]
TESTS = ("test_unseen_answers", "test_unseen_questions", "test_unseen_domains")
WEIGHTS = Path(__file__).resolve().parent.parent / "chalicelib/model/practice/grading_weights.py"
# An intercept a question is fitted beside the weights and then dropped: else they learn which questions are hard.
SHRINK, SHRINK_QUESTIONS = 300.0, 0.2
CONTRADICTORY_COUNTS = 4.0  # times: to call a contradiction correct is the worst mistake


class Rows:
    """Learners' answers of one file, each with the similarity of its vector to the reference answer's."""

    def __init__(self, path: Path, model: MiniLM) -> None:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        self.texts = [(row["question"], row["references"][0], row["answer"]) for row in rows]
        self.is_correct = np.array([row["label"] == "correct" for row in rows], float)
        self.contradicts = np.array([row["label"] == "contradictory" for row in rows])
        self.questions = np.array([row["question_id"] for row in rows])
        self.modules = np.array([row["question_id"].partition("_")[0] for row in rows])
        unique = sorted({text for texts in self.texts for text in texts}, key=len)
        vector = dict(zip(unique, model.encode(unique), strict=True))
        self.similarities = [
            Similarity(
                answer_reference=float(vector[a] @ vector[r]),
                answer_question=float(vector[a] @ vector[q]),
                reference_question=float(vector[r] @ vector[q]),
            )
            for q, r, a in self.texts
        ]

    def features(self, *, with_vectors: bool) -> tuple[list[str], Floats]:
        found = [
            features_of(*texts, similarity if with_vectors else None)
            for texts, similarity in zip(self.texts, self.similarities, strict=True)
        ]
        return list(found[0]), np.array([list(each.values()) for each in found])


def agreement(scores: Floats, is_correct: Floats) -> tuple[float, float]:
    """Return accuracy and Cohen's kappa of the scores from 0.5 on."""
    said = scores >= 0.5
    right, share, truth = float((said == is_correct).mean()), said.mean(), is_correct.mean()
    by_chance = share * truth + (1 - share) * (1 - truth)
    return right, float((right - by_chance) / (1 - by_chance))


def told(name: str, scores: Floats, rows: Rows) -> str:
    right, kappa = agreement(scores, rows.is_correct)
    wrong = (scores[rows.contradicts] >= 0.5).mean()
    return (
        f"{name:26} {len(scores):5} accuracy {right:.3f} kappa {kappa:.2f} contradictory >= 0.5: {wrong:.0%}"
    )


def fit(values: Floats, is_correct: Floats, questions: NDArray[Any], counts: Floats) -> tuple[Floats, float]:
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
        slope = table.T @ (counts * (likely - is_correct)) + shrink * found
        bend = (table * (counts * likely * (1 - likely))[:, None]).T @ table + np.diag(shrink)
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


def fit_rows(rows: Rows, values: Floats, chosen: NDArray[Any]) -> tuple[Floats, float]:
    counts = np.where(rows.contradicts[chosen], CONTRADICTORY_COUNTS, 1.0)
    return fit(values[chosen], rows.is_correct[chosen], rows.questions[chosen], counts)


def fit_all(rows: Rows, *, with_vectors: bool) -> dict[str, float]:
    """Return the weights by name; print what they are worth on each module when it is left out."""
    names, values = rows.features(with_vectors=with_vectors)
    scores = np.zeros(len(values))
    for module in np.unique(rows.modules):
        held = rows.modules == module
        weights, intercept = fit_rows(rows, values, ~held)
        scores[held] = _logistic(values[held] @ weights + intercept)
    print(told(f"one module out, {'' if with_vectors else 'no '}vectors", scores, rows))
    weights, intercept = fit_rows(rows, values, np.ones(len(values), bool))
    return {name: round(float(value), 4) for name, value in zip(names, weights, strict=True)} | {
        "intercept": round(intercept, 4)
    }


def write_weights(rows: Rows) -> None:
    text = (
        '"""Weights of the keyless grader. Generated: python -m bench.grading FOLDER --fit\n\n'
        f"Fitted on {len(rows.texts):,} answers of SciEntsBank (Dzikovska et al., SemEval-2013 task 7; CC BY-SA 3.0;\n"
        'github.com/myrosia/semeval-2013-task7 at 5157c69, the training part), vectors of all-MiniLM-L6-v2.\n"""\n'
    )
    for name, with_vectors in (("WITH_VECTORS", True), ("WITHOUT_VECTORS", False)):
        weights = fit_all(rows, with_vectors=with_vectors)
        lines = "".join(f'    "{feature}": {value},\n' for feature, value in weights.items())
        text += f"\n{name} = {{\n{lines}}}\n"
    WEIGHTS.write_text(text)


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    model = MiniLM()
    if given.fit:
        write_weights(Rows(given.folder / "train.jsonl", model))
        return
    for name in TESTS:
        rows = Rows(given.folder / f"{name}.jsonl", model)
        for kind, similarities in (("", rows.similarities), (", no vectors", [None] * len(rows.texts))):
            pairs = zip(rows.texts, similarities, strict=True)
            scores = np.array([score_answer(*texts, similarity) for texts, similarity in pairs])
            print(told(name.removeprefix("test_") + kind, scores, rows))


if __name__ == "__main__":
    main()
