"""Measures the parameters of FSRS-6 that are fitted to a learner's log against the defaults.

python -m bench.reviews FOLDER
python -m bench.reviews FOLDER --choose    the losses by number of epochs and learning rate, of tenths 4 to 6 alone

The folder holds review_logs.csv of one learner: card_id, review_rating (1 to 4), review_time. Of each tenth of the
second half, in time, it prints the mean log loss with the defaults and with parameters fitted to all before it. The
fit's settings were chosen on tenths 4 to 6, so its worth is what it does in the last four, of which the mean is printed
too.
"""

import argparse
import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from time import process_time

from chalicelib.model.practice.memory import (
    EPOCHS,
    HELD_BACK_TENTHS,
    LEARNING_RATE,
    Fit,
    fit_parameters,
)
from chalicelib.model.practice.reviews import ReviewSettings

CHOSEN_ON = (3, 4, 5)  # tenths, counted from 0
NOT_LOOKED_AT = (6, 7, 8, 9)


def read_log(path: Path) -> dict[str, list[tuple[datetime, int]]]:
    """Return the reviews of each card, oldest first."""
    cards: dict[str, list[tuple[datetime, int]]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            review = (datetime.fromisoformat(row["review_time"]), int(row["review_rating"]))
            cards.setdefault(row["card_id"], []).append(review)
    return {card: sorted(reviews) for card, reviews in cards.items()}


def fit(
    logs: Sequence[list[tuple[datetime, int]]],
    *,
    tenths: Sequence[int],
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
) -> Fit:
    settings = ReviewSettings()
    found = fit_parameters(
        [[(settings.day_of(at), rating) for at, rating in log] for log in logs],
        [[at.timestamp() for at, _ in log] for log in logs],
        tenths=tenths,
        epochs=epochs,
        learning_rate=learning_rate,
    )
    assert found is not None, "too few reviews"
    return found


def choose(logs: Sequence[list[tuple[datetime, int]]]) -> None:
    for epochs in (3, 5, 10, 15, 25):
        for rate in (0.003, 0.01, 0.02, 0.04):
            found = fit(logs, tenths=CHOSEN_ON, epochs=epochs, learning_rate=rate)
            print(f"{epochs:2} epochs at {rate:<5}  {found.log_loss_fitted:.4f}")


def compare(logs: Sequence[list[tuple[datetime, int]]]) -> None:
    began_s = process_time()
    found = fit(logs, tenths=HELD_BACK_TENTHS)
    print(f"{found.reviews} reviews to predict, {process_time() - began_s:.2f} s of CPU")
    print("tenth  default  fitted")
    for tenth, (default, fitted) in zip(HELD_BACK_TENTHS, found.folds, strict=True):
        print(f"{tenth + 1:5}  {default:.4f}   {fitted:.4f}")
    print(f" mean  {found.log_loss_default:.4f}   {found.log_loss_fitted:.4f}")
    last = [fold for tenth, fold in zip(HELD_BACK_TENTHS, found.folds, strict=True) if tenth in NOT_LOOKED_AT]
    default, fitted = (sum(losses) / len(last) for losses in zip(*last, strict=True))
    print(f" 7-10  {default:.4f}   {fitted:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    logs = list(read_log(given.folder / "review_logs.csv").values())
    (choose if given.choose else compare)(logs)


if __name__ == "__main__":
    main()
