"""Which language a document is in, by py3langid (naive Bayes over byte n-grams: Lui and Baldwin 2012)."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.errors import DomainAdaptError, did_you_mean

# Characters looked at, in the middle, as titles and licences at the start are often in another language. The classifier
# reads about 1 MB/s; of a thousand English medical passages of 200 characters it took none for another language.
_SAMPLE = 600
# Varieties and the language that people who ask for it mean (macrolanguages of ISO 639-3).
_VARIETY_OF = {"yue": "zh", "wuu": "zh", "arz": "ar", "ary": "ar", "nn": "no", "nb": "no", "uzs": "uz", "pcm": "en"}
# Latin is what lists of species, muscles and findings look like to the classifier, with a confidence of up to 0.86;
# sentences in Latin have 0.97 and more.
_LATIN_CONFIDENCE = 0.95
_NO_LANGUAGE = "zxx"  # ISO 639-2: no linguistic content, which says nothing about the words between the figures


def check_language(text: str, languages: Collection[str], confidence: float) -> str | Dropped:
    """Returns the text, or the language that it is in if that is none of ``languages`` (ISO 639-1 codes).

    Below ``confidence`` (a probability, from 0 to 1) the language counts as unknown, and the document is kept.

    Raises:
        DomainAdaptError: If a language is none that is told apart.
    """
    found, probability = guess_language(text)
    if found in _known(frozenset(languages)) or probability < confidence:
        return text
    if found == _NO_LANGUAGE or (found == "la" and probability < _LATIN_CONFIDENCE):
        return text
    return Dropped(f"language: {found}", f"{probability:.2f}")


def guess_language(text: str) -> tuple[str, float]:
    """Returns the likeliest language of the text's middle as an ISO 639-1 code, and its probability."""
    start = max(0, (len(text) - _SAMPLE) // 2)
    sums: dict[str, float] = {}
    for language, probability in _identifier().rank(text[start : start + _SAMPLE]):
        language = _VARIETY_OF.get(language, language)
        sums[language] = sums.get(language, 0.0) + probability
    found = max(sums, key=sums.__getitem__)
    return found, min(1.0, sums[found])


@cache
def _identifier() -> Any:
    """Returns the classifier, loaded once a process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _known(languages: frozenset[str]) -> frozenset[str]:
    """Returns the languages with varieties under the name of their language.

    Raises:
        DomainAdaptError: If one is none that the classifier knows: every document would be dropped.
    """
    labels = {*_identifier().labels, *_VARIETY_OF}
    for language in sorted(languages - labels):
        raise DomainAdaptError(
            f"corpus.filters.languages: {language!r} is no language that is told apart",
            hint=did_you_mean(language, labels) or "expected codes of ISO 639-1 such as en, de, fr, es, zh",
        )
    return frozenset(_VARIETY_OF.get(language, language) for language in languages)
