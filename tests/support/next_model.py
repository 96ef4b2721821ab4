"""Moves the search index to another model: of other dimensions, so that no vector fits the other set."""

from datetime import date

import pytest

from chalicelib import wiring
from chalicelib.events.operating import wanted_models
from chalicelib.ops.search import generations
from chalicelib.stores.postgres.postgres import OperatorsDatabase
from tests.support.world import World

MODEL, DIMENSIONS = "next-embedding", 32
ADMIN = "admin@example.org"
WORDS = ("apple", "bicycle", "candle", "guitar")  # each in a document of its own


class Moving:
    """A world whose index is moved; `command` is the operator's."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self._monkeypatch = world, monkeypatch
        self.operators = OperatorsDatabase(world.admin_url, max_size=1)

    def configure(self, model: str | None = MODEL, dimensions: int = DIMENSIONS) -> None:
        """Set the next model, or take it away."""
        settings = {"MODEL": model, "DIMENSIONS": str(dimensions), "PROVIDER": "openai"}
        names = {f"NEXT_EMBEDDING_{name}": value for name, value in settings.items()}
        for name, value in {**names, "NEXT_EMBEDDINGS_URL": f"{self.world.providers.url}/v1"}.items():
            if model is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, str(value))
        self.forget()

    def swap(self) -> None:
        """The next model becomes the model: what an operator does at the end."""
        self._monkeypatch.setenv("EMBEDDING_MODEL", MODEL)
        self._monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
        self.configure("test-embedding", 64)

    def forget(self) -> None:
        wiring.settings.forget()
        wiring.embedder.forget()

    def command(self, name: str) -> str:
        return generations.run_command(
            name,
            ADMIN,
            wanted=wanted_models(wiring.settings().models),
            today=date(2026, 11, 26),
            db=self.operators,
        )

    def begin(self) -> str:
        """Begin to fill the next set; return the run's id. Nothing is done yet."""
        self.world.sql(
            "INSERT INTO users (id) VALUES ('root') ON CONFLICT DO NOTHING;"
            "INSERT INTO accounts (user_id, email, password_hash, role)"
            f" VALUES ('root', '{ADMIN}', 'x', 'admin') ON CONFLICT DO NOTHING"
        )
        return self.command("reembed").split()[1]

    def vectors(self) -> dict[str, int]:
        """Return how many vectors each model has."""
        return dict(
            self.world.sql(
                "SELECT s.model, count(v.chunk_id)"
                " FROM embedding_sets s LEFT JOIN vectors v ON v.set_id = s.id GROUP BY 1"
            )
        )
