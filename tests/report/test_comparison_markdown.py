from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from domain_adapt.report.comparison_markdown import render_markdown
from domain_adapt.report.markdown import code, code_block, literal, table

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
EVIL = "<script>alert(1)</script> | **b** [x](http://e.example) `c` _d_ ![i](http://e.example/i) $a$ ~~e~~ \\ &amp; # "


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.tags = "", []

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def read(markdown):
    words = Words()
    words.feed(READER.render(markdown))
    return words


def one_line(value):
    return " ".join(value.split())


@given(LINES)
def test_text_is_shown_as_it_is(value):
    words = read(f"x{literal(value)}x")
    assert words.text.rstrip("\n") == f"x{one_line(value)}x" and set(words.tags) <= {"p"}


@given(st.lists(LINES, min_size=1, max_size=3))
def test_cells_are_shown_as_they_are(values):
    markdown = table(["a"] * len(values), [[f"x{literal(value)}x" for value in values]])
    words = read(markdown)
    assert words.tags.count("td") == len(values) and "x" in words.text
    for value in values:
        assert f"x{one_line(value)}x" in words.text


@given(LINES)
def test_code_is_shown_as_it_is(value):
    assert read(f"x {code(f'a{value}b')} x").text == f"x {one_line(f'a{value}b')} x\n"
    assert read(code_block(f"x{one_line(value)}\nx")).text.strip() == f"x{one_line(value)}\nx"


def test_it_has_what_the_page_has(comparison_of):
    comparison = comparison_of()
    markdown = render_markdown(comparison)
    assert markdown == render_markdown(comparison)
    words = read(markdown)
    assert words.tags.count("h1") == 1 and words.tags.count("h2") == 10
    assert "- ▲ **medical@v1** helps on qa (" in markdown and "| base | 632 |" in markdown
    assert "reveals **a mid-systolic click** , often" not in markdown
    assert "reveals **a mid-systolic click**, often" in markdown and "*no answer*" in markdown
    assert "| 50 | " in markdown and " ± " in markdown and "```toml\nname = " in markdown
    for row in [line for line in markdown.splitlines() if line.startswith("|")]:
        assert row.endswith("|")


def test_text_of_users_never_is_markup(comparison_of):
    comparison = comparison_of(("base", "a"), ("qa",), (50, 632), changes=1)
    changes = [
        replace(one, text=EVIL, context=EVIL + "(click)" + EVIL, right="(click)", system_answer=EVIL + "\ud800")
        for one in comparison.changes
    ]
    contrasts = [replace(one, verdict=EVIL) for one in comparison.contrasts]
    markdown = render_markdown(replace(comparison, changes=changes, contrasts=contrasts, command=f"```\n{EVIL}"))
    words = read(markdown)
    assert not {"script", "a", "img", "s", "em"} & set(words.tags)
    assert one_line(EVIL) in words.text and "\ufffd" in words.text
    assert words.tags.count("strong") == words.text.count(" (click) ") + 2 + 1  # the passages, verdicts, headline
    markdown.encode()


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ("base",), "counts": (632,), "general": False},
        {"labels": ("base", "a"), "counts": (632,), "seeds": 1, "manifests": False, "changes": 0, "general": False},
    ],
)
def test_what_is_missing_has_no_section(comparison_of, options):
    markdown = render_markdown(comparison_of(tasks=("qa",), **options))
    assert "## Learning curves" not in markdown and "## Text" not in markdown and "## Examples" not in markdown
    assert "## Scores" in markdown and "## Do it again" in markdown
