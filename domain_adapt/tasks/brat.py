"""From brat's standoff files to rows: ``X.ann`` names spans of the text in ``X.txt`` beside it.

The format is https://brat.nlplab.org/standoff.html (Stenetorp et al. 2012, EACL demonstrations): one annotation a line,
``T1<TAB>Disease 10 20<TAB>the text``. Offsets count characters (code points) from 0, line ends included, end excluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks import json_rows

_EXPECTED = "expected id, tab, label start end, tab, text, such as T1<TAB>Disease 10 20<TAB>the text"
_SPAN = re.compile(r"(\S+) ([0-9]{1,9} [0-9]{1,9}(?:;[0-9]{1,9} [0-9]{1,9})*)")
_OTHER_KINDS = re.compile(r"[REAMN][A-Za-z]*[0-9]|[#*]")  # relations, events, attributes (once M), normalisations, ...
_CR = "\r"
_LINE_ENDS = str.maketrans("\r\n", "  ")  # a line of .ann cannot hold a line end; those who write one put a blank
_APART_HINT = "a tag a token cannot skip words: give each part an annotation of its own, or leave this one out"


@dataclass(frozen=True)
class _Annotation:
    """A text-bound annotation as its line has it: fragments are (start, end)."""

    line: int
    label: str
    fragments: tuple[tuple[int, int], ...]
    quoted: str


def read_brat(path: Path) -> Iterator[tuple[str, Any]]:
    r"""Yields one (place, row): ``{"id", "text", "entities": [{"start", "end", "label"}]}`` of the whole document.

    The id is the name without its ending, the place the path. Only text-bound annotations (``T1``) are read; relations,
    events, attributes, normalisations and notes are passed over. Either file may be packed (``.gz``).

    The quoted texts decide how offsets were counted where this is open. brat itself counted ``\r\n`` as one character
    in some versions (its issue 853) and as two in others (its issue 1169), and counts a byte order mark, which other
    tools leave away. Of these readings the first is taken in which every quoted text stands at its offsets; the text of
    the row is as it was counted. A span over a line end or a tab, which brat 1.3 writes as fragments (``0 5;6 9``), is
    one entity.

    Raises:
        DomainAdaptError: Names file and line: of an annotation that is not as described above, whose id was used
            before, whose offsets lie outside the text or cover another text than it quotes, or that is in pieces with
            words between them. Also if the ``.txt`` is missing, or either file is not UTF-8.
    """
    annotations = list(_annotations(path))
    readings = _readings(_decode(_text_file(path), "utf-8"))
    problems = []
    for text in readings:
        problem = next((found for one in annotations if (found := _problem(one, text)) is not None), None)
        if problem is None:
            entities = [
                {"start": one.fragments[0][0], "end": one.fragments[-1][1], "label": one.label} for one in annotations
            ]
            yield str(path), {"id": _stem(path), "text": text, "entities": entities}
            return
        problems.append(problem)
    # The reading that holds longest is the one meant; its first problem is the one to mend.
    line, message, hint = max(problems, key=lambda problem: problem[0])
    raise DomainAdaptError(f"{path}:{line}: {message}", hint=hint)


def _annotations(path: Path) -> Iterator[_Annotation]:
    lines: dict[str, int] = {}
    # Split at \n only: a quoted text may hold U+2028 and the like, which str.splitlines would take for a line end.
    for number, line in enumerate(_decode(path, "utf-8-sig").split("\n"), start=1):
        if not line.strip() or _OTHER_KINDS.match(line):
            continue
        place = f"{path}:{number}"
        identifier, *rest = line.split("\t", 2)
        span = _SPAN.fullmatch(rest[0].rstrip(" ")) if len(rest) == 2 else None
        if not re.fullmatch(r"T[0-9]\S*", identifier) or span is None:
            raise DomainAdaptError(f"{place}: {_EXPECTED}; found {_short(line.removesuffix(_CR))}")
        if identifier in lines:
            raise DomainAdaptError(f"{place}: annotation {identifier} was there before, on line {lines[identifier]}")
        lines[identifier] = number
        pairs = (pair.split(" ") for pair in span[2].split(";"))
        yield _Annotation(number, span[1], tuple((int(start), int(end)) for start, end in pairs), rest[1])


def _problem(annotation: _Annotation, text: str) -> tuple[int, str, str | None] | None:
    """Returns line, message and hint of what is wrong with an annotation of ``text``; None if nothing is."""
    shown = f"{annotation.label} {';'.join(f'{start} {end}' for start, end in annotation.fragments)}"
    behind = 0
    for start, end in annotation.fragments:
        if not behind <= start < end <= len(text):
            wrong = "lies outside" if end > len(text) else "is not a span of"
            return annotation.line, f"{shown} {wrong} the text of {len(text)} characters", None
        gap = text[behind:start]
        # brat 1.3 cuts a span at line ends and tabs, and leaves out the blanks around them; see its issue 1042.
        if behind and gap and (gap.strip() or not set(gap) & {"\r", "\n", "\t"}):
            return annotation.line, f"{shown} is discontinuous: it leaves out {_short(gap)}", _APART_HINT
        behind = end
    covered = " ".join(text[start:end] for start, end in annotation.fragments)
    if not _is_quoted(annotation.quoted, covered):
        quoted = annotation.quoted.removesuffix(_CR)
        hint = "offsets count characters (not bytes) from the start of the .txt, line ends included"
        return annotation.line, f"{shown} covers {_short(covered)}, but quotes {_short(quoted)}", hint
    return None


def _is_quoted(quoted: str, covered: str) -> bool:
    """Tells whether a line's third field quotes a text; a tab and a comment may follow, and the file may be CRLF."""
    flat = covered.translate(_LINE_ENDS)
    fields = [quoted.translate(_LINE_ENDS), quoted.removesuffix(_CR).translate(_LINE_ENDS)]
    return any(field == flat or field.startswith(flat + "\t") for field in fields)


def _readings(raw: str) -> Sequence[str]:
    """Returns the texts that offsets into the file may count: as it is, as one character a line end, without a BOM."""
    counted = [raw, raw.replace("\r\n", "\n")]
    return list(dict.fromkeys([*counted, *(text.removeprefix("\ufeff") for text in counted)]))


def _text_file(path: Path) -> Path:
    plain = path.with_name(_stem(path) + ".txt")
    packed = path.with_name(_stem(path) + ".txt.gz")
    found = next((file for file in (plain, packed) if file.is_file()), None)
    if found is None:
        raise DomainAdaptError(f"{path}: expected the text beside it, in {plain.name}", hint=f"no such file: {plain}")
    return found


def _decode(path: Path, encoding: str) -> str:
    raw = json_rows.read_bytes(path)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        # A byte order mark is cut off before the position is counted.
        line = raw.count(b"\n", 0, error.start + len(raw) - len(error.object)) + 1
        raise DomainAdaptError(f"{path}:{line}: not UTF-8 text") from error


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
