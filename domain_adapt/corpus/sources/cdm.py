"""Descriptions in the Common Domain Model of ISDA/FINOS, read from the generated Python files of finos-cdm."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain_adapt.corpus.sources.base import Document, Part, SourceInfo, find_package
from domain_adapt.corpus.sources.whole import WholeSource
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint

LICENCE = "Community Specification License 1.0 (the model), Apache-2.0 (the package)"
URL = "https://cdm.finos.org"

# Characters in a document. One enumeration alone has 56,000, which in a single document would lie on one side only.
_LONGEST = 4000

# Functions carry a generated numpydoc part of nothing but type names.
_PARAMETERS = re.compile(r"(^|\n)\s*(Parameters|Returns)\s*\n\s*-{3,}.*", re.DOTALL)
_CODE = re.compile(r"->|::|==|<>|[{}]|\bfinos\.|\bcdm\.|\w\(\)")
_CAMEL = re.compile(r"^\W*[a-z]+[A-Z]\w*|^\W*[A-Z][a-z]+[A-Z]\w*")
_PROSE_WORD = re.compile(r"^[(\"'\u2018\u201c]*[A-Za-z]?[a-z]+([-'\u2019/][a-z]+)*[)\"'\u2019\u201d]*[.,;:!?)]*$")
_NAME_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass
class _Entry:
    """A class or function: its own description, and the descriptions of what is in it."""

    id: str
    name: str
    description: str = ""
    parts: list[tuple[str, str]] = field(default_factory=list)


class CommonDomainModel:
    """The ``cdm`` source: one document a type, enumeration or function of the model that prose describes."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._version = find_package("finos-cdm", "finos") if folder is None else (folder, "none")
        paths = [self._folder / "_bundle.py", *self._folder.glob("cdm/**/*.py")]
        self._paths = sorted(path for path in paths if path.is_file())
        if not self._paths:
            raise DomainAdaptError(f"finos-cdm {self._version} holds no finos/cdm", hint="pip install finos-cdm==7.8.0")

    def info(self) -> SourceInfo:
        """Returns the version of the model and its licence."""
        return SourceInfo("cdm", f"FINOS Common Domain Model {self._version}", LICENCE, URL, self._version)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over the model's Python files and the package's version."""
        digest = hashlib.sha256()
        for path in self._paths:  # one digest over all: thousands of small files, and this runs at every start
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self._folder).as_posix()}\n{len(content)}\n".encode())
            digest.update(content)
        return fingerprint({"kind": "cdm", "files": digest.hexdigest(), "version": self._version})

    def parts(self) -> Sequence[Part]:
        """Returns the model as one part."""
        return [WholeSource(self, "cdm", sum(path.stat().st_size for path in self._paths))]

    def documents(self) -> Iterator[Document]:
        """Yields ``<name>: <description> <part>: <its description> ...``; each description appears once."""
        seen: set[str] = set()
        for path in self._paths:
            source = path.read_text(encoding="utf-8")
            if '"""' not in source:  # a stub that only forwards to the bundle
                continue
            module = path.relative_to(self._folder).with_suffix("").as_posix().replace("/", ".")
            for entry in _entries(ast.parse(source), module):
                for number, text in enumerate(_compose(entry, seen), start=1):
                    yield Document(entry.id if number == 1 else f"{entry.id}#{number}", text, "cdm")


def is_prose(description: str) -> bool:
    """Returns whether a description is meant for people: three words or more, mostly plain ones, no code."""
    words = description.split()
    if len(words) < 3 or _CODE.search(description):
        return False
    plain = sum(1 for word in words if _PROSE_WORD.match(word))
    camel = sum(1 for word in words if _CAMEL.match(word))
    return plain >= 0.5 * len(words) and camel <= 0.15 * len(words)


def _compose(entry: _Entry, seen: set[str]) -> list[str]:
    """Joins the descriptions that are prose and new into texts of one entry; long enumerations give several."""
    description = _fresh(entry.description, seen)
    # A function is described by a sentence of its own; its name would only repeat it.
    head = f"{_capitalised(entry.name)}:" if entry.name else ""
    texts: list[str] = []
    current = f"{head} {description}".strip() if description else ""
    for name, text in entry.parts:
        fresh = _fresh(text, seen)
        if not fresh:
            continue
        repeats = not name or fresh.rstrip(".").casefold() == name.casefold()
        part = fresh if repeats else f"{_capitalised(name)}: {fresh}"
        if len(current) + len(part) > _LONGEST and current:
            texts.append(current)
            current = ""
        current = f"{current or head} {part}".strip()
    return [*texts, current] if current else texts


def _fresh(text: str, seen: set[str]) -> str:
    """Returns the text as a closed sentence on one line, or nothing if it is code or came before."""
    text = " ".join(_PARAMETERS.sub("", text).split()).rstrip(" |")
    if text in seen or not is_prose(text):
        return ""
    seen.add(text)
    return text if text[-1] in ".!?:;" else f"{text}."


def _entries(tree: ast.Module, module: str) -> Iterator[_Entry]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield _class_entry(node, module)
        elif isinstance(node, ast.FunctionDef):
            yield _Entry(f"{module}.{node.name}", "", ast.get_docstring(node) or "")


def _class_entry(node: ast.ClassDef, module: str) -> _Entry:
    """Reads a generated class, where a bare string after a field describes the field, and else the class."""
    # In the bundle a class is called finos_cdm_product_asset_InterestRatePayout.
    name = re.sub(r"^finos_[a-z0-9_]+_(?=[A-Z])", "", node.name)
    is_enumeration = name.endswith("Enum")
    entry = _Entry(f"{module}.{node.name}", _words(name.removesuffix("Enum")))
    part: str | None = None
    for statement in node.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            text = str(statement.value.value)
            if part is None:
                entry.description = text
            else:
                entry.parts.append((part, text))
        elif isinstance(statement, ast.FunctionDef):
            entry.parts.append(("", ast.get_docstring(statement) or ""))
        else:
            part = _part_name(statement, is_enumeration)
    return entry


def _part_name(statement: ast.stmt, is_enumeration: bool) -> str | None:
    """Returns the name of a field or enumeration value in words; None for other statements."""
    if is_enumeration and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
        return _words(str(statement.value.value))
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        name = statement.target.id
        return None if name.startswith("_") else _words(name)
    return None


def _words(name: str) -> str:
    """Returns ``floatingRateIndex`` as "floating rate index"; names that are codes (``ACT/360``) stay."""
    if not any(character.islower() for character in name) or not name.replace("_", "").isalnum():
        return name.replace("_", " ")
    parts = _NAME_PARTS.findall(name)
    return " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]
