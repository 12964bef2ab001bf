"""Kinds of tokenizers and how each of them learns a word without changing how any other word is cut.

A new token must match a whole word only: `cardio` may not swallow the first half of `cardiology`.

- WordPiece would match a new entry as the beginning of longer words, so a term becomes an added token that stands
  between word borders (``single_word``) and is looked for in the normalised text.
- Byte-level BPE gets the word, with its ``Ġ``, as an entry of the vocabulary without any merges, and ``ignore_merges``:
  a word that is in the vocabulary as it stands is taken as it is, and all others are merged as before. Added tokens
  would lose the space before them, new merges would reach into other words.
- Unigram gets an entry whose score is just above that of the word's own best pieces. It could win at the beginning of a
  longer word as well; terms that do so in any word known here are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from domain_adapt.errors import DomainAdaptError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domain_adapt.vocabulary.choosing import Term

_METASPACE = "\u2581"
# Above the best segmentation by as much as single precision still tells apart from sums of a dozen scores.
_SCORE_MARGIN = 1e-2


class Family(Protocol):
    """A tokenizer that can learn words."""

    unknown: int | None

    def form(self, form: str) -> str | None:
        """Returns what a form (a word, perhaps with a space before it) is called here; None if it cannot be learnt."""

    def pieces(self, forms: Sequence[str]) -> list[tuple[int, ...]]:
        """Returns the ids that each form is cut into."""

    def learn(self, terms: Sequence[Term], words: Iterable[str]) -> tuple[dict[str, Any], list[Term]]:
        """Returns the content of ``tokenizer.json`` with the terms in it, and which terms these are.

        Their ids follow the highest one there is, in order. ``words`` are longer words that must stay as they are.
        """


@dataclass
class _Kind:
    tokenizer: PreTrainedTokenizerBase

    def __post_init__(self) -> None:
        self.unknown = self.tokenizer.unk_token_id
        self.content: dict[str, Any] = json.loads(self.tokenizer.backend_tokenizer.to_str())
        self.next_id = max(self.tokenizer.get_vocab().values()) + 1

    def pieces(self, forms: Sequence[str]) -> list[tuple[int, ...]]:
        if not forms:
            return []
        encoded = self.tokenizer(list(forms), add_special_tokens=False, verbose=False)["input_ids"]
        return [tuple(ids) for ids in encoded]


class WordPiece(_Kind):
    """BERT's: words between added tokens are cut as before."""

    def form(self, form: str) -> str | None:
        """Returns the word as the normaliser leaves it, if that is still one word."""
        normalizer = self.tokenizer.backend_tokenizer.normalizer
        word = form.strip()
        word = normalizer.normalize_str(word) if normalizer is not None else word
        return word if word.isalpha() else None

    def learn(self, terms: Sequence[Term], words: Iterable[str]) -> tuple[dict[str, Any], list[Term]]:
        """Returns the tokenizer with an added token for each term."""
        for number, term in enumerate(terms):
            added = {"id": self.next_id + number, "content": term.form, "single_word": True, "lstrip": False}
            self.content["added_tokens"].append(added | {"rstrip": False, "normalized": True, "special": False})
        return self.content, list(terms)


class ByteLevelBpe(_Kind):
    """RoBERTa's: whole words are looked up before anything is merged."""

    def form(self, form: str) -> str | None:
        """Returns the form as it is: with a space it is another token than without."""
        return form

    def learn(self, terms: Sequence[Term], words: Iterable[str]) -> tuple[dict[str, Any], list[Term]]:
        """Returns the tokenizer with an entry for each term that no merge leads to."""
        before = self.tokenizer.backend_tokenizer.pre_tokenizer
        model = self.content["model"]
        model["ignore_merges"] = True
        for number, term in enumerate(terms):
            ((token, _),) = before.pre_tokenize_str(term.form)
            model["vocab"][token] = self.next_id + number
        return self.content, list(terms)


class Unigram(_Kind):
    """SentencePiece's: a term competes with its own pieces and nothing else."""

    def form(self, form: str) -> str | None:
        """Returns the word behind a space, as it begins a word in text."""
        return form.strip()

    def learn(self, terms: Sequence[Term], words: Iterable[str]) -> tuple[dict[str, Any], list[Term]]:
        """Returns the tokenizer with the terms that win in no longer word of ``words``, nor in each other."""
        entries: list[list[Any]] = self.content["model"]["vocab"]
        scores, known = [score for _, score in entries], {piece for piece, _ in entries}
        chosen = [term for term in terms if _METASPACE + term.form not in known]
        longer = sorted({*words, *(term.form for term in terms)})
        others = {term.form: _beginning_with(longer, term.form) for term in chosen}
        while True:
            added = [[_METASPACE + term.form, sum(scores[id] for id in term.pieces) + _SCORE_MARGIN] for term in chosen]
            self.content["model"]["vocab"] = [*entries, *added]
            reached = self._reached(chosen, others)
            if not reached:
                return self.content, chosen
            chosen = [term for term in chosen if term.form not in reached]

    def _reached(self, chosen: Sequence[Term], others: Mapping[str, Sequence[str]]) -> set[str]:
        """Returns the terms whose token stands in a longer word."""
        from tokenizers import Tokenizer

        grown = Tokenizer.from_str(json.dumps(self.content))
        pairs = [(term.form, word) for term in chosen for word in others[term.form]]
        cut = grown.encode_batch([word for _, word in pairs], add_special_tokens=False)
        return {form for (form, _), found in zip(pairs, cut, strict=True) if _METASPACE + form in found.tokens}


def _beginning_with(ordered: Sequence[str], start: str) -> list[str]:
    """Returns the words that are longer than ``start`` and begin with it."""
    from bisect import bisect_left, bisect_right

    found = ordered[bisect_left(ordered, start) : bisect_right(ordered, start + "\U0010ffff")]
    return [word for word in found if word != start]


def family_of(tokenizer: PreTrainedTokenizerBase) -> Family:
    """Returns how a tokenizer learns words.

    Raises:
        DomainAdaptError: If nobody here knows how.
    """
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    kind, before = content["model"]["type"], json.dumps(content["pre_tokenizer"])
    if kind == "WordPiece":
        return WordPiece(tokenizer)
    if kind == "BPE" and '"ByteLevel"' in before:
        return ByteLevelBpe(tokenizer)
    if kind == "Unigram":
        return Unigram(tokenizer)
    raise DomainAdaptError(
        f"vocabulary.add: a tokenizer of the kind {kind} cannot learn words here",
        hint="WordPiece, byte-level BPE and Unigram can; leave vocabulary.add at 0",
    )
