"""Makes exercises of documents without a chat model, to be judged by hand, and measures what that costs.

python -m bench.exercises FOLDER [--count 10]

The folder holds PDFs and texts (form feeds separate pages). Each becomes an item in a Postgres of its own, and gets
exercises of all kinds, by the app's own way. They are printed with what they cite; then how many drafts the gate
refused, by reason, and the time of five exercises (p50) and their CPU, Postgres' too, as a ratio to one search of the
same words.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from uuid import UUID, uuid5

import psutil

from bench.corpus import USER, Document, KeptEmbedder, database, load
from chalicelib.errors import NotFound
from chalicelib.model.ingest.files import FileLimits, ReadBounds
from chalicelib.model.library.items import parse_key
from chalicelib.model.practice.exercises import StoredExercise
from chalicelib.model.search.filters import Filters
from chalicelib.model.search.listing import Cut
from chalicelib.ops.practice.generate import generate_exercises
from chalicelib.ops.practice.sources import Sources
from chalicelib.ops.practice.wishes import Wanted
from chalicelib.ops.search.search import search_items
from chalicelib.providers.ingest.decode_pdf import decode_pdf
from chalicelib.stores.postgres.postgres import Database

ROUNDS, FIVE = 15, 5
MAX_PAGES = 60  # of a PDF are read
SEED = UUID("5a3a1f2e-0000-4000-8000-000000000000")  # the same folder gives the same exercises


def read_document(path: Path) -> Document:
    if path.suffix != ".pdf":
        return Document(id=path.name, text=path.read_text(encoding="utf-8"))
    bounds = ReadBounds(pages=MAX_PAGES, text_size=10**8, seconds=600.0)
    decoded = decode_pdf(str(path), limits=FileLimits(), bounds=bounds)
    return Document(id=path.name, text="\f".join(page.text for page in decoded.pages[:MAX_PAGES]))


def wanted(count: int, *, item_id: str | None = None, concept: str = "") -> Wanted:
    return Wanted(
        concept_id=concept,
        student_id="bench",
        interests=(),
        life_category="personal",
        difficulty="basic",
        count=count,
        sources=Sources(item_ids=(item_id,) if item_id else None),
    )


def show(number: int, exercise: StoredExercise) -> None:
    print(f"\n{number}. {exercise.kind}, {exercise.item_name}, page {exercise.page}")
    print(f"   {exercise.content.replace(chr(10), f'{chr(10)}   ')}")
    print(f"   key: {exercise.answer_key.replace(chr(10), ' / ')}")
    print(f"   cites {exercise.page_start}-{exercise.page_end}: {' '.join(exercise.quote.split())}")


def cost_ms(work: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return the median time of a piece of work, and its mean CPU with that of Postgres."""
    took, began_s = [], _cpu_s()
    for each in work:
        start = time.perf_counter()
        each()
        took.append((time.perf_counter() - start) * 1000)
    return median(took), (_cpu_s() - began_s) * 1000 / len(work)


def _cpu_s() -> float:
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in (this, *this.children(recursive=True)))


def measure_cost(exercises: Sequence[StoredExercise], *, db: Database, embedder: KeptEmbedder) -> None:
    """Print what five exercises about a concept cost, beside a search for it. No text was embedded before."""
    phrases = [" ".join(each.quote.split()[:6]) for each in exercises[:: max(1, len(exercises) // ROUNDS)]]

    def five(phrase: str, n: int) -> None:
        made = wanted(FIVE, concept=phrase)
        with suppress(NotFound):  # the sentences may all have been asked about
            generate_exercises(USER, str(uuid5(SEED, f"cost {n}")), made, db=db, embedder=embedder)

    def one_search(phrase: str) -> None:
        search_items(USER, phrase, filters=Filters(), cut=Cut(limit=10), db=db, embedder=embedder)

    searching, searching_cpu = cost_ms([lambda phrase=phrase: one_search(phrase) for phrase in phrases])  # type: ignore[misc]
    making, making_cpu = cost_ms(
        [lambda phrase=phrase, n=n: five(phrase, n) for n, phrase in enumerate(phrases)]
    )  # type: ignore[misc]
    print(
        f"five exercises p50 {making:.0f} ms, one search p50 {searching:.0f} ms: {making / searching:.1f} times\n"
        f"CPU {making_cpu:.0f} and {searching_cpu:.0f} ms: {making_cpu / searching_cpu:.1f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.exercises", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10, help="exercises of each document")
    given = parser.parse_args()
    embedder = KeptEmbedder(Path(".local/bench/vectors-exercises.npz"))
    documents = [read_document(path) for path in sorted(given.folder.iterdir())]
    refused, made = Counter[str](), list[StoredExercise]()
    with database() as db:
        load(documents, db=db, embedder=embedder)
        for document in documents:
            item_id = parse_key(f"{USER}/{document.id}").stem
            creation_id = str(uuid5(SEED, document.id))
            wish = wanted(given.count, item_id=item_id)
            found = generate_exercises(USER, creation_id, wish, db=db, embedder=embedder)
            made += found.exercises
            refused.update(found.refused)
        for number, exercise in enumerate(made, 1):
            show(number, exercise)
        drafts = len(made) + refused.total()
        print(f"\n{len(made)} exercises; the gate refused {refused.total()} of {drafts} drafts:")
        for reason, count in refused.most_common():
            print(f"  {reason:28}{count:5}")
        measure_cost(made, db=db, embedder=embedder)


if __name__ == "__main__":
    main()
