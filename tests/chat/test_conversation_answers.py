"""An answer quotes the pages that it is from, and searches only where it is told to."""

import io

import pytest
from PIL import Image, ImageChops

from chalicelib.model.chat.outcomes import TEXT_WITHOUT_ANSWER
from tests.chat.garden import PAGES, TOMATOES
from tests.support.talking import Talk, document


def test_an_answer_quotes_the_page_it_is_from(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert (answer["outcome"], answer["provider"], answer["role"]) == ("answered", "extractive", "assistant")
    first = answer["citations"][0]
    assert first["quote"] == "Frost kills tomato plants within one night."
    assert (first["item_id"], first["item_name"], first["page"]) == ("garden", "garden.pdf", 2)
    assert (first["source"], first["verified"], first["stale"]) == ("text", True, False)
    assert answer["content"][first["answer_start"] : first["answer_end"]] == first["quote"]
    page = "/api/v1/documents/garden/pages/2"
    span = f"{first['page_start']}-{first['page_end']}"
    assert (first["page_url"], first["page_image_url"]) == (page, f"{page}/image?highlight={span}")
    assert first["thumbnail_url"] == f"{page}/thumbnail"
    assert answer["content_type"] == "text/plain"
    ((stored,),) = talk.world.sql("SELECT string_agg(text, ' ' ORDER BY ordinal) FROM chunks WHERE page = 2")
    assert stored[first["page_start"] : first["page_end"]] == first["quote"]


def test_a_citation_leads_to_its_page_with_just_the_quote_marked(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    cited = talk.answer(talk.begin(), "When does frost kill tomato plants?")["citations"][0]
    text = talk("GET", cited["page_url"]).body["text"]
    assert text[cited["page_start"] : cited["page_end"]] == cited["quote"]
    rest = f"{cited['page_url']}/image?highlight={cited['page_end'] + 1}-{len(text)}"
    plain, marked, other = (
        _picture(talk, url) for url in (f"{cited['page_url']}/image", cited["page_image_url"], rest)
    )
    (top, bottom), (next_top, next_bottom) = (_changed_rows(plain, each) for each in (marked, other))
    assert 0 < top < bottom <= next_top < next_bottom < plain.height


def _picture(talk: Talk, url: str) -> Image.Image:
    answer = talk.client.http.get(url, headers={"Accept": "image/*"})
    assert answer.status_code == 200, answer.body
    return Image.open(io.BytesIO(answer.body)).convert("RGB")


def _changed_rows(plain: Image.Image, marked: Image.Image) -> tuple[int, int]:
    """Return the first and the last row, by more than a JPEG's noise."""
    changed = ImageChops.difference(plain, marked).convert("L").point(lambda value: 255 * (value > 10))
    box = changed.getbbox()
    assert box is not None
    return box[1], box[3]


def test_nothing_relevant_is_said_to_be_nothing(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    answer = talk.answer(talk.begin(), "Which quarterly dividends did shareholders receive?")
    assert (answer["outcome"], answer["citations"], answer["dropped"]) == ("nothing_relevant", [], 0)
    assert answer["content"] == "I found nothing in your items that answers this."


def test_what_may_be_about_it_is_shown_as_places_and_not_as_an_answer(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    answer = talk.answer(place, "Which frost did gardeners in Vienna fear for tomato plants?")
    assert (answer["outcome"], answer["dropped"]) == ("nothing_certain", 0)
    assert answer["content"] == TEXT_WITHOUT_ANSWER["nothing_certain"]
    first = answer["citations"][0]
    assert (first["page"], first["verified"]) == (2, True) and "frost" in first["quote"].lower()
    assert (first["answer_start"], first["answer_end"]) == (0, len(answer["content"]))
    assert talk.messages(place)[1]["outcome"] == "nothing_certain"


def test_a_sentence_over_a_pages_end_cites_both_its_places(talk: Talk) -> None:
    pages = (
        "Acme report\nIt was a year of changes for us.\nThe new factory opened in March, and the old",
        "Acme report\nfactory in Northwick was closed in May of that same year.\nNothing else happened.",
    )
    talk.world.ingest("alice/report.pdf", document(*pages))
    answer = talk.answer(talk.begin(), "When was the old factory in Northwick closed?")
    sentence = "The new factory opened in March, and the old factory in Northwick was closed in May of that same year."
    assert (answer["outcome"], answer["content"]) == ("answered", sentence)
    cited = [(each["page"], " ".join(each["quote"].split())) for each in answer["citations"]]
    assert cited == [
        (1, "The new factory opened in March, and the old"),
        (2, "factory in Northwick was closed in May of that same year."),
    ]
    assert {(each["answer_start"], each["answer_end"]) for each in answer["citations"]} == {
        (0, len(sentence))
    }
    assert [each["stale"] for each in answer["citations"]] == [False, False]


def test_of_sentences_alike_the_one_below_the_asked_name_comes_first(talk: Talk) -> None:
    page = "\n".join(
        (
            "open_tool (number)",
            "number: that of a tool in the shed.",
            "Takes the tool from its hook in the shed for one day.",
            "close_tool (number)",
            "number: that of a tool in the shed.",
            "Puts the tool back on its hook in the shed.",
        )
    )
    talk.world.ingest("alice/manual.pdf", document(page))
    answer = talk.answer(talk.begin(), "Does close_tool put it on a hook in the shed?")
    assert answer["citations"][0]["quote"] == "Puts the tool back on its hook in the shed."


@pytest.mark.parametrize("question", ["What is in the garden guide?", "Worum geht es im Garden Guide?"])
def test_a_question_about_a_whole_item_gets_its_headings_and_no_footers(talk: Talk, question: str) -> None:
    pages = [
        f"{heading}\n{text}\nThe garden guide of Ann Lee, page {n}"
        for n, (heading, text) in enumerate(
            [
                ("Pots and soil", "Tomatoes on a balcony need a pot that has room for forty litres."),
                ("Frost and cold", "Frost kills most of the plants on a balcony within a single night."),
                ("Water and heat", "Water them every morning in the summer, and twice in a heat wave."),
            ],
            1,
        )
    ]
    talk.world.ingest("alice/garden-guide.pdf", document(*pages))
    answer = talk.answer(talk.begin(), question)
    assert answer["outcome"] == "answered" and [each["page"] for each in answer["citations"]] == [1, 2, 3]
    assert answer["content"].startswith("Pots and soil: Tomatoes on a balcony") and "Ann Lee" not in str(
        answer
    )


def test_a_document_with_an_abstract_is_told_by_it(talk: Talk) -> None:
    abstract = [
        "Abstract",
        "Balconies are small.",
        "We grew tomatoes on forty of them.",
        "Half of them froze.",
    ]
    page = [
        "Working Papers on Gardens ISSN 1535-6078",
        *abstract,
        "1. Introduction",
        "Frost is an old enemy.",
    ]
    talk.world.ingest(
        "alice/frost-study.pdf", document("\n".join(page), "Methods\nWe counted each tomato twice.")
    )
    for question in ("Summarize the frost study", "What is in frost-study?"):
        answer = talk.answer(talk.begin(), question)
        assert answer["content"].startswith(
            "Abstract: Balconies are small. We grew tomatoes on forty of them. Half"
        )


@pytest.mark.parametrize("status", [413, 422, 503])
def test_what_the_embedder_does_not_take_is_answered_by_words(talk: Talk, status: int) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.providers.fail_with = [status]
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert talk.world.providers.fail_with == []
    assert (answer["outcome"], answer["missing"]) == ("answered", ["semantic"])


def test_without_any_items_nothing_is_found(talk: Talk) -> None:
    assert talk.answer(talk.begin(), "What is there?")["outcome"] == "nothing_relevant"


def test_a_follow_up_is_searched_for_with_the_words_before_it(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    talk.answer(place, "What kills tomato plants?")
    answer = talk.answer(place, "And what about frost?")
    assert answer["question"] == "And what about frost? kills tomato plants"
    assert answer["citations"][0]["page"] == 2


def test_it_can_be_bounded_to_items(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.ingest("alice/other.pdf", document("Frost kills tomato plants, says a neighbour."))
    place = talk.begin()
    answer = talk.answer(place, "When does frost kill tomato plants?", item_ids=["other"])
    assert {citation["item_id"] for citation in answer["citations"]} == {"other"}
    assert talk.messages(place)[0]["item_ids"] == ["other"]


def test_it_can_be_bounded_to_a_collection(talk: Talk) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    talk.world.ingest("alice/other.pdf", document("Frost kills tomato plants, says a neighbour."))
    collection = "00000000-0000-4000-8000-000000000001"
    talk.world.sql(
        f"INSERT INTO collections (user_id, id, name) VALUES ('alice', '{collection}', 'c');"
        f"INSERT INTO collection_items VALUES ('alice', '{collection}', 'other')"
    )
    place = talk.begin()
    answer = talk.answer(place, "When does frost kill tomato plants?", collection_id=collection)
    assert {citation["item_id"] for citation in answer["citations"]} == {"other"}
    assert talk.messages(place)[0]["collection_id"] == collection


@pytest.mark.parametrize("fate", ["changed", "deleted", "read otherwise", "read in part", "not read yet"])
def test_a_citation_is_stale_once_its_item_is_not_what_it_was(talk: Talk, fate: str) -> None:
    talk.world.ingest("alice/garden.pdf", TOMATOES)
    place = talk.begin()
    talk.answer(place, "When does frost kill tomato plants?")
    if fate == "changed":
        talk.world.ingest("alice/garden.pdf", document(*PAGES, "The pages before are what they were."))
    elif fate == "read otherwise":
        talk.world.sql("UPDATE chunks SET text = replace(text, 'night', 'weeks')")
    elif fate == "read in part":
        talk.world.sql("UPDATE chunks SET text = left(text, 20), char_end = char_start + 20")
    elif fate == "not read yet":
        talk.world.sql("DELETE FROM chunks")
    else:
        assert talk("DELETE", "/api/v1/items/garden").status == 204
    answer = talk.messages(place)[1]
    first = answer["citations"][0]
    assert answer["stale"]
    assert (first["stale"], first["quote"]) == (True, "Frost kills tomato plants within one night.")
    assert {first[f"{what}_url"] is None for what in ("thumbnail", "page", "page_image")} == {
        fate == "deleted"
    }


def test_a_quote_over_several_chunks_is_found_and_is_not_stale(talk: Talk) -> None:
    rows = [f"Frost number {n} of the long winter killed the tomato plants of yard {n}." for n in range(60)]
    talk.world.ingest("alice/garden.pdf", document("\n".join(rows)))
    quote = " ".join(rows[10:30])
    talk.use_model(
        lambda _: {"sentences": [{"text": "Frost killed.", "citations": [{"passage": 1, "quote": quote}]}]}
    )
    (cited,) = talk.answer(talk.begin(), "Which frost of winter killed the tomato plants?")["citations"]
    within = f"char_start BETWEEN {cited['page_start']} AND {cited['page_end']}"
    assert talk.world.sql(f"SELECT count(*) > 1 FROM chunks WHERE {within}") == [(True,)]
    assert (" ".join(cited["quote"].split()), cited["stale"]) == (quote, False)


def test_anothers_text_is_never_quoted(talk: Talk) -> None:
    talk.world.ingest("bob/garden.pdf", TOMATOES)
    talk.world.ingest(
        "alice/garden.pdf", document("Alice keeps a diary of the weather and little else in it.")
    )
    answer = talk.answer(talk.begin(), "When does frost kill tomato plants?")
    assert "night" not in str(answer)
    assert answer["citations"] == []
