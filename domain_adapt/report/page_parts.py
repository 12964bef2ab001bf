"""What HTML reports are made of: the page around them, tables, boxes that open, texts; everything is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from domain_adapt.report.page_style import STYLE

# What HTML does not allow: controls but tab and line feed, halves of surrogate pairs, non-characters.
_CONTROLS = (*range(9), *range(11, 32), *range(127, 160), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
_FORBIDDEN: dict[int, str] = dict.fromkeys(_CONTROLS, "\ufffd") | {ord("\r"): "", ord("\f"): " "}


def page(title: str, sections: Sequence[tuple[str, str, str]], *, lead: str = "", footer: str = "") -> str:
    """Returns the whole page; nothing in it is loaded from elsewhere.

    Args:
        title: Plain text.
        sections: Heading (plain text), anchor and content (HTML).
        lead: HTML between the heading of the page and the first section.
        footer: HTML.
    """
    links = "".join(f'<a href="#{anchor}">{text(heading)}</a>' for heading, anchor, _ in sections)
    body = "".join(
        f'<section id="{anchor}"><h2>{text(heading)}</h2>{content}</section>\n' for heading, anchor, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body><header><div><h1>{text(title)}</h1>"
        f'<nav aria-label="sections">{links}</nav></div></header>\n<main>{lead}{body}</main>\n'
        f"<footer>{footer}</footer></body></html>\n"
    )


def text(value: object) -> str:
    """Returns plain text as HTML, without the characters that HTML does not allow."""
    return escape(str(value).translate(_FORBIDDEN))


def code(value: object) -> str:
    """Returns plain text as HTML in the type of code."""
    return f"<code>{text(value)}</code>"


def paragraph(value: object, *, soft: bool = False) -> str:
    """Returns plain text as a paragraph."""
    return f"<p{' class=soft' if soft else ''}>{text(value)}</p>"


def cards(figures: Iterable[tuple[str, str]]) -> str:
    """Returns a row of boxes, each with a figure and what it is."""
    found = "".join(f'<div class="card"><b>{text(value)}</b><span>{text(name)}</span></div>' for value, name in figures)
    return f'<div class="cards">{found}</div>'


def details(heading: str, content: str, *, is_open: bool = False) -> str:
    """Returns a box that opens: a heading in plain text above HTML."""
    return f"<details{' open' if is_open else ''}><summary>{text(heading)}</summary><div>{content}</div></details>"


def long_text(value: str, shown: int) -> str:
    """Returns a text with its line breaks, at most ``shown`` characters of it."""
    if not value:
        return '<p class="soft">no text</p>'
    rest = len(value) - shown
    more = f'<p class="soft">and {rest:,} characters more</p>' if rest > 0 else ""
    return f'<div class="text">{text(value[:shown])}</div>{more}'


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None = None, *, label: str = ""
) -> str:
    """Returns a table that scrolls in a box of its own; columns whose head begins with # hold numbers.

    Args:
        heads: Of the columns.
        rows: Plain text.
        total: The last row.
        label: What the table is, for those who hear the page; with one the keyboard can scroll it.
    """
    numbers = [head.startswith("#") for head in heads]

    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=number' if number else ''}>{text(cell)}</{tag.split()[0]}>"
            for cell, number in zip(cells, numbers, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    body += f'<tr class="sum">{line("td", total)}</tr>' if total else ""
    head = line("th scope=col", [head.removeprefix("#") for head in heads])
    reachable = f' tabindex="0" role="region" aria-label="{text(label)}"' if label else ""
    return f'<div class="scroll"{reachable}><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
