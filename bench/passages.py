"""Measures the share of the answers' text in the first 1,024 tokens of find_passages. bench.retrieval prints it.

A folder has the form that bench.retrieval takes. If it has a spans.jsonl (query_id, doc_id, start, end: offsets into
the document's text, in which form feeds separate pages), its own documents and answers are used. Otherwise long
documents are made from its short texts: up to 2,500 texts, first those with answers, shuffled, on pages of 3,000
characters or more, with 25 pages a document. The answers to a query are then its relevant texts.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.corpus import USER, Document, KeptEmbedder, load, read_lines, read_qrels
from chalicelib.model.ingest.chunking import most_tokens
from chalicelib.model.search import joining
from chalicelib.model.search.filters import Filters
from chalicelib.ops.search.passages import find_passages
from chalicelib.stores.postgres.postgres import Database

MAX_TOKENS = 1_024
MOST_TEXTS, PAGE_CHARS, PAGES = 2_500, 3_000, 25
NEAREST = """
    SELECT c.item_id, c.page, c.char_start, c.char_end, c.text FROM vectors v
    JOIN chunks c ON c.id = v.chunk_id AND c.user_id = %(user_id)s
    ORDER BY v.vector <=> %(vector)s::halfvec LIMIT 100
"""
Span = tuple[str, int, int]  # (document, start, end): offsets into the document's text, with form feeds


def read_answers(folder: Path) -> tuple[list[Document], dict[str, list[Span]]]:
    """Return the folder's documents, and by query the spans with its answers."""
    answers: dict[str, list[Span]] = defaultdict(list)
    if not (folder / "spans.jsonl").exists():
        return make_long(folder)
    for row in read_lines(folder / "spans.jsonl"):
        answers[str(row["query_id"])].append((str(row["doc_id"]), int(row["start"]), int(row["end"])))
    documents = [Document(id=row["_id"], text=row["text"]) for row in read_lines(folder / "corpus.jsonl")]
    return documents, dict(answers)


def make_long(folder: Path) -> tuple[list[Document], dict[str, list[Span]]]:
    """Return long documents made from short texts, and by query the spans with its answers. Each run gives the same."""
    relevant: dict[str, list[str]] = defaultdict(list)
    for query_id, grades in read_qrels(folder / "qrels.tsv").items():
        for text_id, grade in grades.items():
            if grade > 0:
                relevant[text_id].append(query_id)
    texts = {
        row["_id"]: f"{row['title']}\n\n{row['text']}".strip() for row in read_lines(folder / "corpus.jsonl")
    }
    by_hash = sorted(texts, key=lambda text_id: hashlib.sha256(text_id.encode()).digest())
    kept = sorted(by_hash, key=lambda text_id: text_id not in relevant)[:MOST_TEXTS]
    chosen = [text_id for text_id in by_hash if text_id in set(kept)]
    documents: list[Document] = []
    answers: dict[str, list[Span]] = defaultdict(list)
    for pages in _batches(_pages(chosen, texts), PAGES):
        name, text = f"document-{len(documents) + 1}", ""
        for page in pages:
            text += "\f" if text else ""
            for place, text_id in enumerate(page):
                text += "\n\n" if place else ""
                for query_id in relevant.get(text_id, ()):
                    answers[query_id].append((name, len(text), len(text) + len(texts[text_id])))
                text += texts[text_id]
        documents.append(Document(id=name, text=text))
    return documents, dict(answers)


def _pages(chosen: list[str], texts: dict[str, str]) -> Iterator[list[str]]:
    page: list[str] = []
    for text_id in chosen:
        page.append(text_id)
        if sum(len(texts[each]) for each in page) >= PAGE_CHARS:
            yield page
            page = []
    if page:
        yield page


def _batches(pages: Iterator[list[str]], size: int) -> Iterator[list[list[str]]]:
    all_pages = list(pages)
    for start in range(0, len(all_pages), size):
        yield all_pages[start : start + size]


def covered(found: list[Span], answers: list[Span]) -> float:
    """Return the share of the answers' characters that the found spans contain. Found spans must not overlap."""
    inside = sum(
        max(0, min(end, b) - max(start, a))
        for name, start, end in found
        for document, a, b in answers
        if name == document
    )
    return inside / sum(b - a for _, a, b in answers)


def measure(folder: Path, *, db: Database, embedder: KeptEmbedder) -> None:
    documents, answers = read_answers(folder)
    load(documents, db=db, embedder=embedder)
    page_starts = {document.id: _page_starts(document.text) for document in documents}
    texts = {row["_id"]: row["text"] for row in read_lines(folder / "queries.jsonl")}

    def span(item_id: str, page: int, start: int, end: int) -> Span:
        at = page_starts[item_id][page - 1]
        return item_id, at + start, at + end

    def ours(query: str) -> list[Span]:
        found = find_passages(
            USER, query, filters=Filters(), max_tokens=MAX_TOKENS, db=db, embedder=embedder
        ).passages
        return [span(p.item_id, p.page, p.char_start, p.char_end) for p in found]

    def nearest(query: str) -> list[Span]:
        vector, room, spans = embedder.embed([query], purpose="query", timeout_s=60)[0], MAX_TOKENS, []
        for row in db.transact(USER, lambda tx: tx.all(NEAREST, user_id=USER, vector=str(vector))):
            room -= most_tokens(row["text"])
            if room < 0:
                break
            spans.append(span(row["item_id"], row["page"], row["char_start"], row["char_end"]))
        return spans

    kept = joining.MIN_LIKENESS
    for name, find, like in (
        ("nearest chunks alone", nearest, kept),
        ("find_passages without neighbours", ours, 2.0),
        ("find_passages with every neighbour", ours, -1.0),
        ("find_passages (the app's)", ours, kept),
    ):
        joining.MIN_LIKENESS = like
        start = time.perf_counter()
        share = sum(covered(find(texts[query_id]), answers[query_id]) for query_id in answers) / len(answers)
        each_ms = (time.perf_counter() - start) * 1000 / len(answers)
        print(f"  {name:36}{share:6.3f} of the answers' characters  {each_ms:6.1f} ms a query")
    joining.MIN_LIKENESS = kept


def _page_starts(text: str) -> list[int]:
    starts = [0]
    for page in text.split("\f")[:-1]:
        starts.append(starts[-1] + len(page) + 1)
    return starts
