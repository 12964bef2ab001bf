"""Small functions that each look at one document and answer with its text or with why it is dropped."""

from __future__ import annotations

from functools import partial

from domain_adapt.corpus.filters.base import Dropped, Filter
from domain_adapt.corpus.filters.c4 import clean_lines
from domain_adapt.corpus.filters.gopher import quality, repetition
from domain_adapt.corpus.filters.language import check_language
from domain_adapt.recipes import CorpusSettings

__all__ = ["Dropped", "Filter", "build_filters"]


def build_filters(settings: CorpusSettings) -> list[tuple[str, Filter]]:
    """Returns (name of the step, filter) of what the recipe turns on, in the order in which they should run.

    C4's rules come first as they cut lines, which the others should not judge; the language last as it takes longest.
    The filters can be sent to other processes.
    """
    chosen = settings.filters
    filters: list[tuple[str, Filter]] = []
    if "c4" in chosen.rules:
        filters.append(("c4", partial(clean_lines, settings=chosen)))
    if "gopher-quality" in chosen.rules:
        filters.append(("gopher-quality", partial(quality, settings=chosen)))
    if "gopher-repetition" in chosen.rules:
        filters.append(("gopher-repetition", partial(repetition, settings=chosen)))
    if chosen.languages:
        languages = frozenset(chosen.languages)
        filters.append(
            ("language", partial(check_language, languages=languages, confidence=chosen.language_confidence))
        )
    return filters
