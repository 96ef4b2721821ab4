"""Beside an embedder of texts alone, pictures have vectors of a model that sees them, in a set of their own."""

import io
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from chalicelib import wiring
from chalicelib.errors import Conflict
from chalicelib.events import handlers
from chalicelib.events.operating import wanted_models
from chalicelib.model.work.tasks import POLICIES
from chalicelib.ops.search.generations import check_pictures
from tests.support.library_api import Api
from tests.support.long_pdf import make_long_pdf
from tests.support.model_server import ModelServer, Reply, model_server
from tests.support.next_model import Moving
from tests.support.world import World, jpeg

MODEL, DIMENSIONS = "voyage-multimodal-3.5", 1024
COLOURS = {"one": "red", "two": "lime", "three": "blue"}


def colour(content: Any) -> list[float]:
    """A space of three colours, which texts name and pictures show, and of all else."""
    seen = list[float]()
    parts = (
        [{"text": content}] if isinstance(content, str) else content
    )  # Titan gets one thing, Voyage a list
    for part in parts:
        jpeg = part.get("image_base64") or part["text"]
        if jpeg.startswith(("/9j/", "data:")):
            picture = Image.open(io.BytesIO(b64decode(jpeg.rpartition(",")[2])))
            pixel: Any = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))
            seen = [*(float(value) for value in pixel), 1.0]
        else:
            named = [float(name in part["text"]) for name in ("red", "green", "blue")]
            seen = [*named, 0.1 + (not any(named))]
    return seen + [0.0] * (DIMENSIONS - 4)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.vector = colour
        yield server


class Seeing(Moving):
    """A world with an embedder of pictures. The analyzer of its tests describes no colours."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, server: ModelServer) -> None:
        super().__init__(world, monkeypatch)
        self._settings = {"VOYAGE_API_KEY": "pa-of-the-tests", "PICTURE_EMBEDDING_PROVIDER": "voyage"}
        self._settings |= {"PICTURE_EMBEDDINGS_URL": f"{server.url}/v1"}
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)

    def see(self, is_on: bool = True, **others: str) -> None:
        for name, value in {**self._settings, **others}.items():
            self._monkeypatch.setenv(name, value if is_on else "")
        self.forget()

    def check(self) -> dict[str, str]:
        """Return what the doctor says of pictures."""
        return check_pictures(wanted_models(wiring.settings().models), db=self.operators)

    def photograph(self, *names: str, user: str = "alice") -> None:
        for name in names:
            self.world.ingest(f"{user}/{name}.jpg", jpeg(COLOURS[name]))

    def fill(self) -> None:
        self.begin()
        handlers.minute_passed()
        self.world.run()


@pytest.fixture
def seeing(world: World, monkeypatch: pytest.MonkeyPatch, server: ModelServer) -> Iterator[Seeing]:
    made = Seeing(world, monkeypatch, server)
    made.see()
    yield made
    made.operators.close()


def search(api: Api, query: str, **more: Any) -> tuple[list[str], list[str]]:
    """Return the items found, and what was missing."""
    status, answer, _ = api("POST", "/api/v1/search", {"query": query, **more})
    assert status == 200, answer
    return [hit["item_id"] for hit in answer["data"]], answer["missing"]


def test_a_picture_without_a_caption_is_found_by_a_text(seeing: Seeing, api: Api) -> None:
    seeing.photograph(*COLOURS)
    seeing.world.ingest("alice/paper.pdf", make_long_pdf(["The paint of the green house is dry."]))
    assert "green" not in str(seeing.world.sql("SELECT text FROM chunks WHERE item_id <> 'paper'"))
    for query, found in (("something red", "one"), ("blue", "three")):
        assert search(api, query) == ([found], [])
        assert search(api, query, mode="semantic")[0][0] == found
    assert set(search(api, "green")[0]) == {"two", "paper"}, "what it shows beside what is written"
    assert search(api, "green", kinds=["pdf"]) == (["paper"], [])
    assert search(api, "green", mode="lexical") == (["paper"], [])
    assert search(api, "house paint")[0] == ["paper"]


def test_titan_finds_pictures_by_what_it_can_read(seeing: Seeing, server: ModelServer, api: Api) -> None:
    seeing.see(PICTURE_EMBEDDING_PROVIDER="bedrock", PICTURE_EMBEDDINGS_URL="")
    seeing.photograph(*COLOURS)
    assert search(api, "something green") == (["two"], [])
    asked = len(server.asked)
    assert search(api, "Wo ist das Bild mit der green Wiese?")[0] == []
    assert len(server.asked) == asked == 4, "three pictures and a query in English"
    cost = 3 * 0.00006 + 7 * 0.8e-6
    assert seeing.world.sql("SELECT sum(cost_usd)::float8 FROM usage_ledger") == [
        (pytest.approx(cost, abs=1e-9),)
    ]


def test_similar_pictures_are_those_that_show_the_same(seeing: Seeing, api: Api) -> None:
    seeing.photograph(*COLOURS)
    seeing.world.ingest("alice/rose.jpg", jpeg("crimson"))
    status, answer, _ = api("GET", "/api/v1/items/rose/similar")
    assert (status, answer["data"][0]["item_id"]) == (200, "one")


def test_nobody_finds_anothers_picture(seeing: Seeing, api: Api) -> None:
    seeing.photograph("one", "three")
    seeing.photograph("two", user="bob")
    assert search(api, "green") == ([], [])
    assert search(api, "green", include_weaker=True)[0] and "two" not in str(
        search(api, "green", include_weaker=True)
    )


def test_pictures_and_queries_are_charged(seeing: Seeing, api: Api) -> None:
    seeing.photograph("one")
    search(api, "red")
    rows = seeing.world.sql(
        "SELECT operation, provider, model, input_tokens, pixels, cost_usd::float8, item_id"
        " FROM usage_ledger ORDER BY id"
    )
    counted = ("embed", "voyage", MODEL, 5, 1120)  # what the stand-in counts, for a text too
    cost = pytest.approx(5 * 0.12e-6 + 1120 * 0.6e-9, abs=1e-9)
    assert rows == [(*counted, cost, "one"), (*counted, cost, None)]


def test_without_the_model_a_search_goes_on(seeing: Seeing, server: ModelServer, api: Api) -> None:
    seeing.photograph("one")
    server.script.extend([Reply(503, {})] * 3)
    assert search(api, "test label") == (["one"], ["pictures"])
    seeing.see(False)
    assert search(api, "red") == ([], [])
    assert search(api, "test label") == (["one"], [])


def test_a_picture_whose_model_is_away_is_found_by_its_text_and_waits(
    seeing: Seeing, server: ModelServer, api: Api
) -> None:
    server.script.extend([Reply(503, {}, {"x-should-retry": "false"})] * 2)
    seeing.photograph("one")
    server.script.append(Reply(503, {}))
    assert seeing.world.item("one")["status"] == "EMBEDDING"
    assert search(api, "test label") == (["one"], ["pictures"])
    server.script.clear()
    seeing.world.wait()
    assert seeing.world.item("one")["status"] == "READY"
    assert search(api, "red") == (["one"], [])


def test_in_the_end_it_is_ready_without_and_a_run_makes_up_for_it(
    seeing: Seeing, server: ModelServer, api: Api
) -> None:
    attempts = POLICIES["embed"].max_attempts
    server.script.extend([Reply(503, {}, {"x-should-retry": "false"})] * attempts)
    seeing.photograph("one")
    for _ in range(attempts):
        seeing.world.wait()
    assert not server.script
    assert seeing.world.item("one")["status"] == "READY"
    assert search(api, "red") == ([], [])
    assert left_out(api, "one").startswith("unavailable: ")
    seeing.fill()
    assert search(api, "red") == (["one"], [])


def left_out(api: Api, item_id: str) -> str:
    """Return why the item's picture was left out, as its timeline says."""
    _, timeline, _ = api("GET", f"/api/v1/items/{item_id}/timeline")
    (said,) = (each["message"] for each in timeline["data"] if each["event"] == "picture left out")
    return str(said)


@pytest.mark.parametrize(
    ("reply", "code"), [(Reply(401, {}), "misconfigured"), (Reply(400, {}), "invalid_input")]
)
def test_for_a_wrong_key_or_request_it_is_not_held_up(
    seeing: Seeing, server: ModelServer, api: Api, reply: Reply, code: str
) -> None:
    server.script.append(reply)
    seeing.photograph("one")
    assert seeing.world.item("one")["status"] == "READY"
    assert left_out(api, "one").startswith(f"{code}: ")
    assert search(api, "test label") == (["one"], [])


def test_a_spent_budget_holds_up_no_picture(
    seeing: Seeing, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDGETS", '{"user.free": "0.001"}')
    seeing.forget()
    seeing.photograph("one")
    assert seeing.world.item("one")["status"] == "READY"
    assert left_out(api, "one").startswith("budget_spent: ")
    assert search(api, "test label") == (["one"], [])


def test_the_set_of_another_model_is_moved_to_whole(seeing: Seeing, api: Api) -> None:
    """Before, the analyzer's vectors are there, as on the local stack; after it, they can come back."""
    seeing.see(False)
    seeing.world.providers.pictures = {f"{name}.jpg": [1.0, 0.1 * n] for n, name in enumerate(COLOURS)}
    seeing.photograph("one", "two")
    seeing.see()
    seeing.photograph("three")
    assert seeing.vectors() == {"test-embedding": 3, "test-pictures": 3, MODEL: 1}
    assert search(api, "green") == ([], ["pictures"])
    assert seeing.check() == {"pictures": f"searches do not use {MODEL}: run reembed, then promote"}
    with pytest.raises(Conflict) as refused:
        seeing.command("promote")
    assert refused.value.code == "generation_incomplete"
    assert seeing.command("estimate-reembed") == f"2 images with {MODEL} (1024): about 0.00 US dollars"
    seeing.fill()
    assert seeing.vectors()[MODEL] == 3
    assert seeing.command("generations").split("\n")[1] == (
        f"3 building: picture {MODEL} 1024, text test-embedding 64"
    )
    assert seeing.command("promote") == "generation 3 is live"
    assert search(api, "green") == (["two"], [])
    assert seeing.check() == {"pictures": "ok"}
    assert seeing.command("rollback") == "generation 1 is live again"
    assert search(api, "green") == ([], ["pictures"])
    assert api("GET", "/api/v1/items/one/similar")[1]["data"][0]["item_id"] == "two"
    seeing.command("rollback")
    assert seeing.command("drop-retired").startswith("test-pictures (2): ")
    seeing.world.ingest("alice/one.jpg", jpeg("maroon"))
    assert seeing.vectors() == {"test-embedding": 3, "test-pictures": 0, MODEL: 3}


def test_texts_and_pictures_move_together(seeing: Seeing, api: Api) -> None:
    seeing.photograph(*COLOURS)
    seeing.configure()
    seeing.fill()
    assert seeing.command("promote") == "generation 2 is live"
    assert search(api, "green") == (["two"], [])
    live = "SELECT string_agg(model, ' ' ORDER BY kind) FROM embedding_sets WHERE state = 'live'"
    assert seeing.world.sql(live) == [(f"{MODEL} next-embedding",)]
    seeing.command("rollback")
    assert seeing.world.sql(live) == [(f"{MODEL} test-embedding",)]


def test_a_new_stack_begins_with_the_embedders_set(seeing: Seeing, api: Api) -> None:
    seeing.world.providers.pictures = {"one.jpg": [1.0, 0.0]}
    seeing.photograph("one")
    assert seeing.vectors() == {"test-embedding": 1, MODEL: 1}
    assert search(api, "red") == (["one"], [])


def test_registration_and_health_name_it(seeing: Seeing, api: Api) -> None:
    providers = api("GET", "/api/v1/registration")[1]["providers"]
    assert providers["pictures"] == [{"provider": "voyage", "model": MODEL}]
    assert api("GET", "/health")[1]["parts"]["pictures"] == f"voyage {MODEL}"
    seeing.see(False)
    assert api("GET", "/api/v1/registration")[1]["providers"]["pictures"] == []
    assert api("GET", "/health")[1]["parts"]["pictures"] == "none"
    assert wiring.embedder().pictures is None
