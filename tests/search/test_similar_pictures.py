"""Pictures are compared by what they show, where the analyzer makes vectors of it; else by their captions."""

from typing import Any

import pytest

from chalicelib.events import handlers
from chalicelib.providers.models.analyses import bounded_analysis
from tests.support.library_api import Api
from tests.support.long_pdf import make_long_pdf
from tests.support.next_model import Moving
from tests.support.world import World, jpeg

SHOWN = {
    "red house cat.jpg": [1.0, 0.1, 0.0],
    "IMG 7.jpg": [1.0, 0.0, 0.1],
    "red house palace.jpg": [0.0, 1.0, 0.0],
}


def photograph(world: World, *names: str, user: str = "alice") -> None:
    world.providers.pictures = SHOWN
    for name in names:
        world.ingest(f"{user}/{name}", jpeg(size=(40 + len(name), 40 + len(user))))


def similar(api: Api, item_id: str = "red house cat", query: str = "") -> list[str]:
    status, answer, _ = api("GET", f"/api/v1/items/{item_id.replace(' ', '%20')}/similar{query}")
    assert (status, answer["missing"]) == (200, [])
    scores = [hit["score"] for hit in answer["data"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    return [hit["item_id"] for hit in answer["data"]]


def test_pictures_come_by_what_they_show_then_the_rest_by_text(world: World, api: Api) -> None:
    world.ingest("alice/paper.pdf", make_long_pdf(["red house cat"]))
    world.ingest("alice/red house.jpg", jpeg())
    photograph(world, *SHOWN)
    found = similar(api)
    assert found[:2] == ["IMG 7", "red house palace"]
    assert set(found[2:]) == {"paper", "red house"}
    assert similar(api, query="?limit=1") == ["IMG 7"]
    assert similar(api, query="?kind=pdf") == ["paper"]
    assert similar(api, "paper")[0] != "IMG 7", "a document is compared by its text"
    assert similar(api, "red house")[0] != "IMG 7", "as is a picture without a vector"


def test_processed_again_a_picture_has_its_new_vector_alone(world: World, api: Api) -> None:
    photograph(world, *SHOWN)
    world.providers.pictures = {
        **SHOWN,
        "IMG 7.jpg": [0.0, 0.0, 1.0],
        "red house palace.jpg": [1.0, 0.1, 0.0],
    }
    for item_id in ("IMG%207", "red%20house%20palace"):
        assert api("POST", f"/api/v1/items/{item_id}/reprocess")[0] == 202
    world.run(*world.published())
    assert similar(api)[0] == "red house palace"
    world.providers.pictures = {}
    assert api("POST", "/api/v1/items/red%20house%20palace/reprocess")[0] == 202
    world.run(*world.published())
    assert similar(api)[0] == "IMG 7"
    assert world.sql(
        "SELECT count(*) FROM vectors v JOIN embedding_sets s ON s.id = v.set_id WHERE s.kind = 'picture'"
    ) == [(2,)]


def test_nobody_is_shown_anothers_picture(world: World, api: Api) -> None:
    photograph(world, "red house cat.jpg", "red house palace.jpg")
    photograph(world, "IMG 7.jpg", user="bob")
    assert similar(api) == ["red house palace"]


def test_pictures_are_found_before_and_after_the_texts_move_to_another_model(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph(world, *SHOWN)
    moving = Moving(world, monkeypatch)
    moving.configure()
    moving.begin()
    handlers.minute_passed()
    world.run()
    for command in ("promote", "rollback", "rollback"):
        moving.command(command)
        assert similar(api) == ["IMG 7", "red house palace"], command
    moving.operators.close()
    kinds = "SELECT string_agg(kind, ' ' ORDER BY kind) FROM generation_sets GROUP BY generation_id"
    assert world.sql(kinds) == [("picture text",), ("picture text",)]


@pytest.mark.parametrize(
    "picture", ["x", {"a": 1}, [float("nan")], [float("inf")], ["1"], [None], [0.1] * 2001]
)
def test_what_is_no_vector_is_refused(picture: Any) -> None:
    answer = {"category": "a", "summary": "", "labels": [], "text_in_image": "", "language": None}
    with pytest.raises(ValueError, match="picture"):
        bounded_analysis({**answer, "picture": picture}, provider="p", model="m")
    for nothing in ([], None, [0.0, 0.0]):
        assert bounded_analysis({**answer, "picture": nothing}, provider="p", model="m").picture == ()
    unit = bounded_analysis({**answer, "picture": [3, 4.0]}, provider="p", model="m").picture
    assert unit == (0.6, 0.8)
