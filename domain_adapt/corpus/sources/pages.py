"""Readers of files that are one document: plain text, Markdown and HTML."""

from __future__ import annotations

import codecs
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.compression import read_limited
from domain_adapt.corpus.sources.encodings import AUTO, check_encoding, decode, is_wide
from domain_adapt.corpus.sources.textfile import Item, Opened, Refused
from domain_adapt.errors import DomainAdaptError

# What a line of YAML can begin with. A Markdown file may also begin with a rule ("---"), and then prose follows.
_YAML_LINE = re.compile(r"\s|$|[#\]}]|- |[\w.\"'-]+[ \t]*:")
_FRONT_MATTER_ID = re.compile(r"^id:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)
# Browsers look for it in the first 1,024 bytes (WHATWG HTML, 13.2.3.2); pages with long scripts put it later.
_CHARSET = re.compile(rb"<(?:meta|\?xml)[^>]{0,200}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_CHARSET_WITHIN = 4096
# Pages that say ISO-8859-1 or ASCII are read as Windows-1252 by every browser (WHATWG Encoding, 4.2).
_WEB_NAMES = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "iso8859-9": "cp1254"}
# An item of a list or a row of a table as trafilatura writes it; its other lines are paragraphs.
_PARAGRAPH_END = re.compile(r"\n+(?![-|] )")

_TITLE_WORDS = 4


def read_txt(file: Opened) -> Iterator[Item]:
    """Yields the whole file as one document."""
    yield file.name, whole_text(file)


def read_md(file: Opened) -> Iterator[Item]:
    """Yields the whole file as one document; a front matter block is not text, but its ``id`` counts."""
    text = whole_text(file).replace("\r\n", "\n")
    front_matter, body = _split_front_matter(text)
    found = _FRONT_MATTER_ID.search(front_matter)
    yield (found.group(1) if found else file.name), body


def whole_text(file: Opened) -> str:
    """Returns the text of a file that is one document.

    Raises:
        Refused: If it is too large, not text, or in an encoding that is not recognised.
    """
    return decode(read_limited(file.stream, limits.MAX_DOCUMENT_BYTES), file.file.encoding)


def _split_front_matter(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    if lines[0].rstrip() == "---":
        for number, line in enumerate(lines[1:], start=1):
            if line.rstrip() in ("---", "..."):
                return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
            if not _YAML_LINE.match(line):
                break
    return "", text


def read_html(file: Opened) -> Iterator[Item]:
    """Yields the main text of a page with its title in front, without menus, comments and the like."""
    html = _decoded_html(read_limited(file.stream, limits.MAX_DOCUMENT_BYTES), file.file.encoding)
    with silenced("trafilatura", "htmldate", "justext", "readability"):
        text = _html_text(html)
    if not text.strip():
        raise Refused("no text", "an HTML page without text")
    yield file.name, text


def _decoded_html(data: bytes, encoding: str) -> str:
    """Returns the text in the encoding that the page declares, if it is in that, else as that of other files."""
    declared = _CHARSET.search(data[:_CHARSET_WITHIN])
    if encoding == AUTO and declared and not data.startswith((codecs.BOM_UTF8, b"\xff\xfe", b"\xfe\xff")):
        try:
            name = codecs.lookup(declared.group(1).decode()).name
            check_encoding(name)
            if is_wide(name):  # not with the declaration in ASCII; WHATWG takes UTF-8 then
                return decode(data, encoding)
            return decode(data, _WEB_NAMES.get(name, name))
        except (LookupError, DomainAdaptError, Refused):
            pass
    return decode(data, encoding)


def _html_text(html: str) -> str:
    import trafilatura  # some 0.5 s that other formats need not pay

    tree = trafilatura.load_html(html)
    if tree is None:  # a fragment such as "<p>text</p>"
        tree = trafilatura.load_html(f"<html><body><div>{html}</div></body></html>")
    if tree is None:
        return ""
    title = _title(tree)
    fallback = trafilatura.html2txt(tree)
    text = trafilatura.extract(tree, include_comments=False) or fallback
    if not text.strip():
        return ""  # whatever its title
    text = _PARAGRAPH_END.sub("\n\n", text)
    return text if not title or _contains(text, title) else f"{title}\n\n{text}"


def _contains(text: str, title: str) -> bool:
    """Whether a title is a line of the text, or of several words and anywhere in it; single words prove nothing."""
    title = _folded(title)
    return title in map(_folded, text.splitlines()) or (title.count(" ") >= _TITLE_WORDS - 1 and title in _folded(text))


def _title(tree: object) -> str:
    """Returns the only first-level heading, which names the page without the site, else the page's title."""
    headings = [" ".join(heading.text_content().split()) for heading in tree.iter("h1")]  # type: ignore[attr-defined]
    if len(headings) == 1 and headings[0]:
        return headings[0]
    return " ".join((tree.findtext(".//title") or "").split())  # type: ignore[attr-defined]


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


@contextmanager
def silenced(*loggers: str) -> Iterator[None]:
    """Keeps libraries quiet about what is wrong with a file: that is said in the reason, and by the thousand."""
    levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in loggers]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
