import pytest
from rich.console import Console

from domain_adapt.report.corpus_page import corpus_page
from domain_adapt.report.corpus_plots import bar_plot, length_plot
from domain_adapt.report.corpus_tables import (
    distance_table,
    fertility_text,
    length_table,
    reason_table,
    size_table,
    term_table,
)

EVIL = '<script>alert("x")</script> [bold]$a$ & co'


@pytest.fixture
def profile():
    return {
        "domain": EVIL,
        "base": "mini",
        "folder": ".cache/documents/abc",
        "documents_read": 30,
        "documents": 25,
        "characters": 123_456,
        "words": 20_000,
        "tokens": 24_000,
        "is_estimated": True,
        "sampled_characters": 4_321,
        "sources": [
            {"name": EVIL, "licence": EVIL, "documents": 20, "characters": 100_000, "words": 16_000, "tokens": 20_000},
            {"name": "b", "licence": "CC0", "documents": 5, "characters": 23_456, "words": 4_000, "tokens": 4_000},
        ],
        "dropped": {EVIL: 3, "too short": 2},
        "scrubbed": {"email": 7},
        "lengths": [{"low": 512, "high": 1024, "documents": 20}, {"low": 1024, "high": 2048, "documents": 5}],
        "fertility": 1.25,
        "general_fertility": 1.125,
        "overlaps": [
            {"name": "general English", "share": 0.345, "words": 9_999},
            {"name": EVIL, "share": 0.5, "words": 1_234},
        ],
        "terms": [
            {"word": f"word{n}", "score": 40.5 - n, "count": 100, "per_million": 5_000.0, "general_per_million": 0.5}
            for n in range(7)
        ],
    }


@pytest.fixture
def page(profile):
    document = {"id": EVIL, "source": EVIL, "detail": EVIL, "text": EVIL + "y" * 2_000}
    return corpus_page(
        profile,
        samples=[[document], []],
        dropped={EVIL: [document], "too short": [{"id": "1", "source": "s", "text": ""}]},
        clusters=[{"kept": "k1", "dropped": ["d1", "d2"], "texts": [EVIL, "second", "third"]}],
    )


def test_the_page_is_whole_loads_nothing_and_escapes_all_text(page, read_page):
    read_page(page)
    assert "alert(" in page


def test_the_page_says_the_figures(page):
    assert "prefers-color-scheme: dark" in page and "var(--accent)" in page and "#020202" not in page
    for text in ("123,456", "24,000", "tokens (est.)", "34.5%", "9,999", "1.250", "word0", "k1: 3 documents"):
        assert text in page, text
    assert "Of 30 documents read, 25 stayed." in page and "10.00%" in page  # three of thirty
    assert "an even sample of 4,321 characters" in page
    assert f"and {2_000 + len(EVIL) - 1_500:,} characters more" in page and "no text" in page


def test_plots_are_always_the_same(profile):
    assert length_plot(profile) == length_plot(profile)
    plot = bar_plot("x", [("$a$", 0.25)], "share", percent=True)
    assert plot.startswith("<svg") and "25.0%" in plot and "metadata" not in plot and "$a$" in plot


def test_tables_fit_into_100_columns(profile):
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in (size_table, length_table, distance_table, term_table):
        console.print(table(profile))
    console.print(reason_table([{"figure": "tokens", "value": "5", "speaks": "for", "text": "many " * 30}]))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("tokens (est.)", "24,000", "512 to 1,023", "34.5%", "word6", "[bold]"):
        assert part in text, part
    assert fertility_text(profile) == (
        "subwords a word: 1.250 on this corpus (estimated), 1.125 on general English (dictionary entries)"
    )
