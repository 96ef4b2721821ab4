"""Sentences of pages: over the break to the next page, without furniture, lines of tables with their headers."""

from collections.abc import Sequence

import pytest

from chalicelib.model.chat.pages import Part, Whole, read_page, repeated


def read(pages: Sequence[str], number: int) -> list[Whole]:
    parts = [Part(page=page, start=0, text=text) for page, text in enumerate(pages, 1)]
    return read_page(parts[number - 1], {part.page: (part, part) for part in parts})


def texts(pages: Sequence[str], number: int) -> list[str]:
    return [each.text for each in read(pages, number)]


REPORT = [
    "Acme Annual Report 2024\nIt began well. The factory opened in March and the old\n1",
    "Acme Annual Report 2024\none was closed in May. Sales rose.\nPage 2 of 3",
    "Acme Annual Report 2024\nNothing else happened.\n- 3 -",
]


def test_a_sentence_over_a_pages_end_is_one_with_both_its_places() -> None:
    first, crossing = read(REPORT, 1)
    assert first.text == "It began well."
    assert [(part.page, part.text) for part in crossing.parts] == [
        (1, "The factory opened in March and the old"),
        (2, "one was closed in May."),
    ]
    for part in crossing.parts:
        assert REPORT[part.page - 1][part.start : part.start + len(part.text)] == part.text
    assert [each.text for each in read(REPORT, 2)] == [crossing.text, "Sales rose."]


@pytest.mark.parametrize(
    "page", ["4", "- 4 -", "Page 4", "Seite 4 von 9", "xiv", "第4页", "4 / 9"], ids=lambda page: str(page)
)
def test_page_numbers_are_left_out(page: str) -> None:
    assert texts([f"{page}\nThe text is this.", f"The text is that.\n{page}"], 1) == ["The text is this."]
    assert texts([f"{page}\nThe text is this.", f"The text is that.\n{page}"], 2) == ["The text is that."]


def test_headers_of_odd_and_even_pages_are_left_out_but_not_a_repeated_sentence_inside() -> None:
    pages = [
        f"{'The book' if n % 2 else 'Ann Author'}\nA {word} begins.\nAll pages say so.\nThe {word} is old.\n"
        f"One {word} is new.\nThe {word} ends.\nAcme, {n}"
        for n, word in enumerate(("house", "garden", "street", "river", "bridge"))
    ]
    wanted = [
        "A street begins.",
        "All pages say so.",
        "The street is old.",
        "One street is new.",
        "The street ends.",
    ]
    assert texts(pages, 3) == wanted


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("It ends here.", "it goes on.", False),
        ("A short heading", "Another text begins.", False),
        ("The list has apples, pears,", "Plums and nothing else.", True),
        (
            "In the long line at the end of this page stands the name of the town of",
            "Northwick and all who live in that town know it well.",
            True,
        ),
        ("它是一个很长很长的句子而且它没有在这一页结束", "因为它在下一页继续并且在那里结束了它很长。", True),
        (
            "A line without an end that is as long as all others on this page are",
            "1. A list begins on the next page and it is long.",
            False,
        ),
    ],
)
def test_a_text_goes_on_where_it_has_not_ended(before: str, after: str, joined: bool) -> None:
    found = [len(each.parts) for each in read([before, after], 1)]
    assert (2 in found) == joined


def test_a_sentence_whose_beginning_or_end_is_not_there_is_left_out() -> None:
    page = "This is whole. So is this one. And this too."
    own = Part(page=1, start=100, text=f"of a sentence that began before. {page} But this one has no")
    first, last = (
        Part(page=1, start=0, text="The top of it."),
        Part(page=1, start=900, text="The bottom of it."),
    )
    assert [each.text for each in read_page(own, {1: (first, last)})] == [
        "This is whole.",
        "So is this one.",
        "And this too.",
    ]


def test_text_without_capitals_is_read_as_it_is() -> None:
    assert texts(["the first is this. the second is that."], 1) == [
        "the first is this.",
        "the second is that.",
    ]


TABLE = """Revenue by segment
(in millions)
2024 2023
Bicycles 412.5 398.1
Tents 120.0 133.7
The growth came from the new factory, which is larger."""


def test_a_tables_lines_keep_their_header_and_heading() -> None:
    found = read([TABLE], 1)
    bicycles = next(each for each in found if each.text.startswith("Bicycles"))
    assert bicycles.is_line and bicycles.text == "Bicycles 412.5 398.1"
    assert [part.text for part in bicycles.heads] == ["Revenue by segment\n(in millions)\n2024 2023"]
    assert found[-1].text == "The growth came from the new factory, which is larger."


def test_a_figure_alone_is_taken_with_its_name() -> None:
    lines = "KESTREL WORKS\n14 Tannery Lane\nRear wheel rebuilt\n64.00\nTotal\n105.72"
    assert "Rear wheel rebuilt\n64.00" in texts([lines], 1)
    assert texts([lines], 1)[-1].endswith("Total\n105.72")


def test_a_heading_stays_with_its_text() -> None:
    assert (
        texts(["It ends.\n5 Hotels\nThe limit is 140 euros a night."], 1)[1]
        == "5 Hotels\nThe limit is 140 euros a night."
    )


def test_what_stands_there_three_times_is_boilerplate() -> None:
    assert repeated(["See note 1.", "Sales rose.", "see  note 2.", "See note 3.", "Sales rose."]) == [
        True,
        False,
        True,
        True,
        False,
    ]
