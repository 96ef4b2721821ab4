import pytest

from chalicelib.model.search.language import language_of


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("what is the capital of Norway", "en"),
        ("the cat on the sofa", "en"),
        ("how do I do a backup", "en"),
        ("was ist der Name der Hauptstadt", "de"),
        ("Rechnung für Müller", "de"),
        ("où est le chat", "fr"),
        ("gato en el sofá", "es"),
        ("quanto costa il biglietto per Roma", "it"),
        ("onde está o gato e quando", "pt"),
        ("waar is het huis van mijn oma", "nl"),
        ("東京都の写真はどこですか", "ja"),
        ("北京的照片", "zh"),
        ("서울의 사진", "ko"),
        ("фото кошки", "ru"),
        ("صورة قطة", "ar"),
        ("חתול על הספה", "he"),
        ("γάτα στον καναπέ", "el"),
        ("แมวบนโซฟา", "th"),
        ("बिल्ली की तस्वीर", "und"),
        ("Beijing 北京的照片", "zh"),
    ],
)
def test_a_query_shows_its_language(query: str, language: str) -> None:
    assert language_of(query) == language


@pytest.mark.parametrize(
    "query", ["", "cat", "2024", "?!", "de novo mutations", "die hard", "TGF-β α-SMA levels"]
)
def test_names_and_terms_show_none(query: str) -> None:
    assert language_of(query) is None
