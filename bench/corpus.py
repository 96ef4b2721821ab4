"""Loads test sets into a Postgres of their own, as the app's pipeline would. Vectors are kept between runs."""

import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chalicelib.model.ingest.chunking import chunk_pages
from chalicelib.model.ingest.files import Page
from chalicelib.model.library.items import ItemRef, parse_key
from chalicelib.providers import Embedder, Purpose
from chalicelib.stores.accounts import users
from chalicelib.stores.ingest import chunks
from chalicelib.stores.library import items
from chalicelib.stores.postgres.migrate import migrate, set_app_password
from chalicelib.stores.postgres.postgres import Database
from chalicelib.stores.postgres.tx import Tx
from chalicelib.stores.search import index
from local.models import minilm
from local.models.text_models import MODEL, TextModel, load_text_models
from local.postgres import start_postgres, stop_postgres

USER = "bench"
Qrels = dict[str, dict[str, int]]


@cache
def _text_models() -> Mapping[str, TextModel]:
    return load_text_models()


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document of a test set. Form feeds in its text separate pages."""

    id: str
    text: str


class KeptEmbedder:
    """A local model behind the app's Protocol, or another embedder. Each vector is computed once and kept in a file."""

    next = pictures = None

    def __init__(self, file: Path, *, model: str = MODEL, embedder: Embedder | None = None) -> None:
        self.model = model
        local_dimensions = 384 if model == minilm.MODEL else 768
        self.dimensions = embedder.dimensions if embedder else local_dimensions
        self._embedder = embedder
        self._file = file
        self._known: dict[str, np.ndarray] = {}
        if file.exists():
            with np.load(file) as kept:
                self._known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
        self._kept = len(self._known)

    def embed(
        self, texts: Sequence[str], *, timeout_s: float, purpose: Purpose = "document", **_: Any
    ) -> list[list[float]]:
        keys = [hashlib.sha256(f"{purpose} {text}".encode()).hexdigest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._make(list(new.values()), purpose), strict=True))
        return [self._known[key].tolist() for key in keys]

    def _make(self, texts: list[str], purpose: Purpose) -> np.ndarray:
        if self._embedder is None:
            return _text_models()[self.model].encode(texts, purpose=purpose)
        return np.array(self._embedder.embed(texts, purpose=purpose, timeout_s=600), np.float32)

    def keep(self) -> None:
        if len(self._known) == self._kept:
            return
        self._kept = len(self._known)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(self._file, keys=np.array(list(self._known)), vectors=np.stack(list(self._known.values())))


def load(documents: Sequence[Document], *, db: Database, embedder: KeptEmbedder) -> None:
    """Index the documents as the pipeline does, fifty in a transaction. Their vectors are kept."""

    def write(tx: Tx, document: Document) -> None:
        users.ensure(tx, USER)
        set_id = index.ensure_set(tx, model=embedder.model, dimensions=embedder.dimensions)
        ref = ItemRef(user_id=USER, item_id=items.insert(tx, parse_key(f"{USER}/{document.id}"), etag=None))
        items.set_status(tx, ref, "READY")
        chunks.insert(tx, ref, "text", chunk_pages(_pages(document.text)))
        rows = chunks.list_unembedded(tx, ref, set_id=set_id, after=0, limit=10_000)
        vectors = embedder.embed([text for _, text in rows], timeout_s=60)
        index.add_vectors(tx, USER, set_id=set_id, ids=[chunk_id for chunk_id, _ in rows], vectors=vectors)
        index.add_item(tx, ref)

    for start in range(0, len(documents), 50):
        some = documents[start : start + 50]
        # All fifty are embedded at once, so that the model gets full batches and no transaction waits for it.
        drafts = (draft for document in some for draft in chunk_pages(_pages(document.text)))
        embedder.embed([draft.text for draft in drafts], timeout_s=60)
        embedder.keep()
        db.transact(USER, lambda tx, some=some: [write(tx, document) for document in some])  # type: ignore[misc]
        print(f"\r  indexed {start + len(some):,} of {len(documents):,}", end="", flush=True)
    print()


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_qrels(path: Path) -> Qrels:
    qrels: Qrels = defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query_id, document_id, grade = line.split("\t")
        qrels[query_id][document_id] = int(grade)
    return dict(qrels)


def _pages(text: str) -> list[Page]:
    return [Page(number=number, text=page) for number, page in enumerate(text.split("\f"), 1)]


@contextmanager
def database() -> Iterator[Database]:
    """Yield an empty migrated database. It is deleted afterwards."""
    with tempfile.TemporaryDirectory() as state:
        url = start_postgres(Path(state), 0, fsync=False)
        try:
            migrate(url)
            set_app_password(url, "bench")
            db = Database(url.replace("//postgres@", "//collections_app:bench@"), max_size=2, timeout_s=300)
            yield db
            db.close()
        finally:
            stop_postgres(Path(state))
