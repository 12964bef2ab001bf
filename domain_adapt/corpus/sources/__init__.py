"""Where documents come from: one file a kind of source."""

from __future__ import annotations

from pathlib import Path

from domain_adapt.corpus.sources.base import Document, Source, SourceInfo, documents_of
from domain_adapt.recipes import FilesSource, GcideSource, HpoSource, HubSource, SourceSpec

__all__ = ["Document", "Source", "SourceInfo", "documents_of", "open_source"]


def open_source(spec: SourceSpec, folder: Path) -> Source:
    """Returns the source that a recipe describes; relative paths in it are relative to ``folder``.

    Raises:
        DomainAdaptError: If there is nothing to read: no such file, package or data set.
    """
    # Imported here so that a recipe pays only for the kinds it uses.
    if isinstance(spec, FilesSource):
        from domain_adapt.corpus.sources.files import TextFiles

        return TextFiles(spec, folder)
    if isinstance(spec, HubSource):
        from domain_adapt.corpus.sources.hub import HubTexts

        return HubTexts(spec, folder)
    if isinstance(spec, HpoSource):
        from domain_adapt.corpus.sources.hpo import PhenotypeOntology

        return PhenotypeOntology()
    if isinstance(spec, GcideSource):
        from domain_adapt.corpus.sources.gcide import Dictionary

        return Dictionary()
    from domain_adapt.corpus.sources.cdm import CommonDomainModel

    return CommonDomainModel()
