"""Measures the parameters of FSRS-6 that are fitted to a learner's log against the defaults.

python -m bench.reviews FOLDER

The folder holds review_logs.csv of one learner: card_id, review_rating (1 to 4), review_time. Of each tenth of the
second half, in time, it prints the mean log loss with the defaults and with parameters fitted to all before it.
"""

import argparse
import csv
from datetime import datetime
from pathlib import Path
from time import process_time

from chalicelib.model.practice.memory import HELD_BACK_TENTHS, fit_parameters
from chalicelib.model.practice.reviews import ReviewSettings


def read_log(path: Path) -> dict[str, list[tuple[datetime, int]]]:
    """Return the reviews of each card, oldest first."""
    cards: dict[str, list[tuple[datetime, int]]] = {}
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            review = (datetime.fromisoformat(row["review_time"]), int(row["review_rating"]))
            cards.setdefault(row["card_id"], []).append(review)
    return {card: sorted(reviews) for card, reviews in cards.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    logs = read_log(parser.parse_args().folder / "review_logs.csv").values()
    settings = ReviewSettings()
    began_s = process_time()
    fit = fit_parameters(
        [[(settings.day_of(at), rating) for at, rating in log] for log in logs],
        [[at.timestamp() for at, _ in log] for log in logs],
    )
    assert fit is not None, "too few reviews"
    print(f"{fit.reviews} reviews to predict, {process_time() - began_s:.2f} s of CPU")
    print("tenth  default  fitted")
    for tenth, (default, fitted) in zip(HELD_BACK_TENTHS, fit.folds, strict=True):
        print(f"{tenth + 1:5}  {default:.4f}   {fitted:.4f}")
    print(f" mean  {fit.log_loss_default:.4f}   {fit.log_loss_fitted:.4f}")


if __name__ == "__main__":
    main()
