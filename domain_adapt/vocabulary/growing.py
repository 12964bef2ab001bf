"""A tokenizer that has learnt the terms of a corpus, kept on disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_tokenizer, save_tokenizer
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import VocabularySettings
from domain_adapt.vocabulary.choosing import Term, choose_terms, count_forms
from domain_adapt.vocabulary.families import family_of
from domain_adapt.workspace import staged_folder, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

# Part of every grown tokenizer's name: raise it when choosing or adding changes what comes out.
VOCABULARY_FORMAT = 1
_TERMS = "terms.json"
# Written by some tokenizers beside tokenizer.json; they do not know the new entries.
_OTHER_FILES = ("vocab.json", "vocab.txt", "merges.txt", "added_tokens.json")


@dataclass(frozen=True)
class GrownVocabulary:
    """A tokenizer with the terms of a corpus.

    Attributes:
        folder: Holds the tokenizer.
        sha256: Identity of everything that it was made of.
        first: Id of the first term; the others follow.
        terms: In the order of their ids.
        words: Runs of letters that the corpus has.
        tokens_before: Tokens that the base's tokenizer cut them into.
    """

    folder: Path
    sha256: str
    first: int
    terms: list[Term]
    words: int
    tokens_before: int

    @property
    def tokens_after(self) -> int:
        """Tokens that they are cut into now."""
        return self.tokens_before - sum(term.count * (len(term.pieces) - 1) for term in self.terms)

    def figures(self) -> dict[str, float]:
        """Returns what a manifest says about it."""
        return {
            "vocabulary/terms": float(len(self.terms)),
            "vocabulary/tokens_per_word_before": self.tokens_before / max(self.words, 1),
            "vocabulary/tokens_per_word": self.tokens_after / max(self.words, 1),
        }

    def listing(self) -> str:
        """Returns the terms, one a line with count and pieces, for a reader."""
        lines = [f"{term.form.strip()}\t{term.count}\t{len(term.pieces)}" for term in self.terms]
        return "\n".join(["term\toccurrences\tpieces before", *lines]) + "\n"


def grow_vocabulary(
    texts: Callable[[], Iterable[str]],
    identity: str,
    tokenizer: PreTrainedTokenizerBase,
    settings: VocabularySettings,
    general: Mapping[str, float],
    cache: Path,
) -> GrownVocabulary:
    """Returns the tokenizer that knows the terms of the texts, from the cache if it was made before.

    Args:
        texts: Yields the texts.
        identity: SHA-256 of the texts and of the tokenizer.
        tokenizer: Of the base; stays as it is.
        settings: How many terms, and which.
        general: How often general English has each lower-case word.
        cache: Folder for such tokenizers.

    Raises:
        DomainAdaptError: If the tokenizer is of a kind that cannot learn words, or no word is worth it.
    """
    values = settings.model_dump() | {"texts": identity, "format": VOCABULARY_FORMAT}
    name = fingerprint(values)
    folder = cache / name[:16]
    if not folder.is_dir():
        family = family_of(tokenizer)
        counts = count_forms(texts())
        terms = choose_terms(counts, family, settings, general)
        content, terms = family.learn(terms, [*{form.strip() for form in counts}, *general])
        if not terms:
            raise DomainAdaptError(
                f"vocabulary.add: no word of the corpus comes {settings.min_count} times and is cut into "
                f"{settings.min_pieces} pieces or more",
                hint="lower vocabulary.min_count or vocabulary.min_pieces, or leave vocabulary.add at 0",
            )
        stored: dict[str, Any] = {"sha256": name, "first": max(tokenizer.get_vocab().values()) + 1}
        stored |= {"words": sum(counts.values()), "tokens_before": _tokens(counts, tokenizer)}
        stored["terms"] = [[term.form, term.count, term.pieces, term.score] for term in terms]
        with staged_folder(folder) as staging:
            _write(content, tokenizer, staging)
            write_json(staging / _TERMS, stored)
    return load_grown(folder)


def load_grown(folder: Path) -> GrownVocabulary:
    """Returns the tokenizer that :func:`grow_vocabulary` has left in ``folder``."""
    stored = json.loads((folder / _TERMS).read_text(encoding="utf-8"))
    terms = [Term(form, count, tuple(pieces), score) for form, count, pieces, score in stored.pop("terms")]
    return GrownVocabulary(folder=folder, terms=terms, **stored)


def _write(content: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    save_tokenizer(tokenizer, folder)
    for name in _OTHER_FILES:
        (folder / name).unlink(missing_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    # RobertaTokenizer and its like build one of their own out of vocabulary and merges; this class takes the file.
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(path, settings)
    load_tokenizer(folder)  # an error here, and not when the checkpoint is used


def _tokens(counts: Mapping[str, int], tokenizer: PreTrainedTokenizerBase) -> int:
    """Returns how many tokens the counted forms are cut into."""
    forms = list(counts)
    total = 0
    for start in range(0, len(forms), 10_000):
        batch = forms[start : start + 10_000]
        ids = tokenizer(batch, add_special_tokens=False, verbose=False)["input_ids"]
        total += sum(counts[form] * len(cut) for form, cut in zip(batch, ids, strict=True))
    return total
