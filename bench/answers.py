"""Measures answers without a chat model: right ones, refusals, quotes, fragments.

python -m bench.answers [--questions 300] FOLDER [FOLDER ...]

A folder has the form that bench.retrieval takes. At most 1,500 texts are loaded, first those that answer a question,
through the app's own code. Each question is asked twice: of all texts, and of all but those that answer it. An
answer is right if its first quote is of a text that answers the question; if the folder has a spans.jsonl (query_id,
doc_id, start, end), if it has the answer itself. A fragment is a quote that begins or ends within a sentence.
"""

import argparse
import hashlib
from collections import Counter
from pathlib import Path

from bench.corpus import USER, Document, KeptEmbedder, database, load, read_lines, read_qrels
from chalicelib.model.chat.answers import Citation
from chalicelib.model.ingest.sentences import is_ended
from chalicelib.model.search.filters import Filters
from chalicelib.ops.chat.answer import Answered, Models, Question, answer_question
from chalicelib.stores.postgres.postgres import Database
from local.models.text_models import MODEL

MOST_TEXTS = 1_500
TIME_S = 60.0


def measure(folder: Path, *, questions: int, db: Database, embedder: KeptEmbedder) -> None:
    qrels = {
        query: {doc for doc, grade in grades.items() if grade > 0}
        for query, grades in read_qrels(folder / "qrels.tsv").items()
    }
    documents = _documents(folder, set().union(*qrels.values()))
    load(documents, db=db, embedder=embedder)
    texts = {document.id: document.text for document in documents}
    spans = _answer_texts(folder, texts)
    queries = [
        row for row in read_lines(folder / "queries.jsonl") if qrels.get(row["_id"], set()) & set(texts)
    ]
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for row in sorted(queries, key=lambda row: _hash(row["_id"]))[:questions]:
        relevant = qrels[row["_id"]]
        for is_there, item_ids in ((True, None), (False, tuple(sorted(set(texts) - relevant)))):
            filters = Filters(item_ids=item_ids)
            answered = answer_question(
                Question(user_id=USER, text=row["text"], filters=filters),
                db=db,
                models=Models(embedder=embedder),
                time_left_s=lambda: TIME_S,
            )
            counts[is_there] += _count(answered, relevant, spans.get(row["_id"]), texts)
    embedder.keep()
    _report(counts)


def _documents(folder: Path, relevant: set[str]) -> list[Document]:
    rows = sorted(
        read_lines(folder / "corpus.jsonl"), key=lambda row: (row["_id"] not in relevant, _hash(row["_id"]))
    )
    return [
        Document(id=row["_id"], text=f"{row['title']}\n\n{row['text']}".strip()) for row in rows[:MOST_TEXTS]
    ]


def _answer_texts(folder: Path, texts: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if (folder / "spans.jsonl").exists():
        for row in read_lines(folder / "spans.jsonl"):
            text = texts.get(row["doc_id"], "")
            found.setdefault(row["query_id"], []).append(text[int(row["start"]) : int(row["end"])])
    return found


def _count(
    answered: Answered, relevant: set[str], answers: list[str] | None, texts: dict[str, str]
) -> Counter[str]:
    """Return what one answer adds to the counts."""
    quotes = answered.citations
    counts = Counter({"asked": 1, answered.outcome: 1, "quotes": len(quotes)})
    counts["not on their page"] = sum(not _is_there(quote, texts) for quote in quotes)
    counts["fragments"] = sum(_is_fragment(quote, texts) for quote in quotes)
    if quotes and answered.outcome in ("answered", "nothing_certain"):
        right = [
            quote.item_id in relevant
            and (answers is None or any(answer in quote.quote for answer in answers))
            for quote in quotes
        ]
        counts[f"{answered.outcome}: first right"] = right[0]
        counts[f"{answered.outcome}: one right"] = any(right)
    return counts


def _is_there(quote: Citation, texts: dict[str, str]) -> bool:
    page = texts[quote.item_id].split("\f")[quote.page - 1]
    return page[quote.page_start : quote.page_end] == quote.quote


def _is_fragment(quote: Citation, texts: dict[str, str]) -> bool:
    page = texts[quote.item_id].split("\f")[quote.page - 1]
    before, after = page[: quote.page_start].rstrip(), page[quote.page_end :]
    begins_inside = bool(before) and not is_ended(before) and not page[quote.page_start - 1].isspace()
    begins_inside |= bool(before) and not is_ended(before) and quote.quote[0].islower()
    ends_inside = not is_ended(quote.quote) and bool(after.strip()) and not after.startswith("\n")
    return begins_inside or ends_inside


def _report(counts: dict[bool, Counter[str]]) -> None:
    for is_there, name in ((True, "with its text"), (False, "without its text")):
        found, asked = counts[is_there], counts[is_there]["asked"]
        answered, places = found["answered"] / asked, found["nothing_certain"] / asked
        print(f"  {name:18}answered {answered:.3f}  places {places:.3f}  refused {1 - answered - places:.3f}")
        if is_there:
            first, one = (found[f"answered: {what} right"] / asked for what in ("first", "one"))
            places = found["nothing_certain: one right"] / asked
            print(f"  {'':18}right: first quote {first:.3f}, one quote {one:.3f}, one place {places:.3f}")
    both = counts[True] + counts[False]
    quotes = max(1, both["quotes"])
    print(
        f"  {both['quotes']:,} quotes: {both['not on their page']} not on their page,"
        f" {both['fragments'] / quotes:.3f} fragments"
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--questions", type=int, default=300)
    given = parser.parse_args()
    for folder in given.folders:
        print(folder.name)
        with database() as db:
            embedder = KeptEmbedder(Path(".local/bench") / f"{folder.name}-{MODEL}.npz")
            measure(folder, questions=given.questions, db=db, embedder=embedder)


if __name__ == "__main__":
    main()
