"""Concepts found in documents: headings, labels and terms, each with the sentences that explain it."""

from tests.practice.conftest import PAGES
from tests.support.talking import Talk, document

BOOK = (
    "1.2 Chain wear\nThe gauge shows when a chain is worn, long before the cassette is damaged.\n"
    "A gauge costs little, and the gauge lasts longer than a cassette of any maker.\n"
    "Riders of Lyon replace the cassette when chain wear was not measured with a gauge in time."
)


def test_a_document_is_about_its_headings_labels_and_terms(learner: Talk) -> None:
    learner.world.ingest("alice/book.pdf", document(BOOK))
    learner.world.sql("UPDATE analyses SET labels = '{riders,elephants}' WHERE item_id = 'book'")
    found = learner("GET", "/api/v1/concepts?item_id=book").body["data"]
    origins = {each["phrase"]: each["origin"] for each in found}
    assert origins["Chain wear"] == "heading" and origins["riders"] == "label" and origins["gauge"] == "term"
    assert "elephants" not in origins  # no sentence explains it
    gauge = next(each for each in found if each["phrase"] == "gauge")
    assert (gauge["id"], gauge["mastery"], gauge["created_at"]) == ("gauge", "not_started", None)
    explained = gauge["explained_by"][0]
    page = learner("GET", "/api/v1/documents/book/pages/1").body["text"]
    assert " ".join(page[explained["start"] : explained["end"]].split()) == explained["text"]
    made = learner("POST", "/api/exercise/generate", {"concept_id": gauge["id"], "student_id": "s"}).body
    found = learner("GET", "/api/v1/concepts?item_id=book").body["data"]
    stored = next(each for each in found if each["phrase"] == "gauge")
    assert (stored["id"], stored["exercise_count"]) == (made["exercise"]["concept_id"], 1)


def test_concepts_are_found_in_a_collection_and_nowhere_else(learner: Talk) -> None:
    collection = learner("POST", "/api/v1/collections", {"name": "Bicycles"}).body["id"]
    assert learner("GET", f"/api/v1/concepts?collection_id={collection}").body["data"] == []
    learner("POST", f"/api/v1/collections/{collection}/items", {"item_ids": ["chain"]})
    learner.world.sql("UPDATE analyses SET labels = '{paraffin}' WHERE item_id = 'chain'")
    found = learner("GET", f"/api/v1/concepts?collection_id={collection}").body["data"]
    (label,) = (each for each in found if each["origin"] == "label")
    assert label["phrase"] == "paraffin" and label["explained_by"][0]["text"] in " ".join(PAGES[0].split())
    learner.be("bob")
    for place in (f"collection_id={collection}", "item_id=chain"):
        assert learner("GET", f"/api/v1/concepts?{place}").status == 404
