"""A word is found in its other forms, with signs beside it, and in Thai, which has no spaces between words."""

import pytest

from chalicelib.model.search.lexical import configuration_of
from tests.support.library_api import Api
from tests.support.world import World, jpeg

SEARCH = "/api/v1/search"


def finds(api: Api, query: str) -> bool:
    status, answer, _ = api("POST", SEARCH, {"query": query, "mode": "lexical", "include_weaker": True})
    assert status == 200, answer
    return bool(answer["data"])


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("интересные книги", "книга"),
        ("старая елка", "ёлки"),
        ("الكتاب الجديد", "كتاب"),
        ("पुरानी किताबें", "किताब"),
        ("οι μεγάλοι δρόμοι", "δρόμος"),
        ("книги and running shoes", "run"),
        ("الكتاب and running shoes", "run"),
        ("running shoes", "run"),
    ],
)
def test_a_word_is_found_in_its_other_forms(world: World, api: Api, text: str, query: str) -> None:
    world.ingest(f"alice/{text}.jpg", jpeg())
    assert finds(api, query) and not finds(api, "нет")


@pytest.mark.parametrize(
    "text", ["a “harbour”, so they say", "the harbour’s lights", "«harbour»—lights", "harbour…"]
)
def test_a_word_is_found_whatever_signs_stand_beside_it(world: World, api: Api, text: str) -> None:
    world.ingest(f"alice/{text}.jpg", jpeg())
    assert finds(api, "harbour")


def test_thai_is_found_without_spaces_and_marked(world: World, api: Api) -> None:
    world.ingest("alice/ฉันชอบกินข้าวผัด.jpg", jpeg())
    (hit,) = api("POST", SEARCH, {"query": "ข้าวผัด", "mode": "lexical"})[1]["data"]
    start, end = hit["highlights"][0]
    assert hit["snippet"][start:end] == "ข้าวผัด"
    assert not finds(api, "มหาวิทยาลัย")


@pytest.mark.parametrize(
    ("text", "configuration"),
    [
        ("plain", "english"),
        ("Übergröße, café, 東京", "english"),
        ("TGF-β of the patient", "greek_and_english"),
        ("α-частицы", "russian"),
        ("ο Тэмүжин, γιος του Γεσουγκέι", "greek_and_english"),
        ("ภาษาไทย", "english"),
    ],
)
def test_letters_choose_the_configuration(text: str, configuration: str) -> None:
    assert configuration_of(text) == configuration
