"""The text of a run of stage 1: documents prepared, the vocabulary grown, blocks cut; the same on every rank."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, load_tokenizer
from domain_adapt.corpora import reading
from domain_adapt.corpus.preparing import CorpusPlan
from domain_adapt.corpus_show import general_counts
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import DomainRecipe
from domain_adapt.stages import Run
from domain_adapt.training.meeting import wait_until_seen
from domain_adapt.training.progress import meter
from domain_adapt.training.ranks import is_main
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domain_adapt.corpus.prepare import Corpus
    from domain_adapt.vocabulary.growing import GrownVocabulary

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Text:
    """What a model is adapted to.

    Attributes:
        tokenizer: Of the base, or grown.
        corpus: Blocks of its tokens.
        vocabulary: What the tokenizer has learnt, if anything.
    """

    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    vocabulary: GrownVocabulary | None


def prepare_text(recipe: DomainRecipe, plan: CorpusPlan, base: Base, run: Run, workspace: Workspace) -> Text:
    """Returns tokenizer and corpus, which rank 0 prepares, on every rank.

    Raises:
        DomainAdaptError: If a source cannot be read, nothing is left of it, or the tokenizer cannot learn words.
    """
    from domain_adapt.corpus.prepare import load_corpus
    from domain_adapt.vocabulary.growing import load_grown

    vocabulary: GrownVocabulary | None = None
    if recipe.vocabulary.add:
        if is_main():
            vocabulary = _vocabulary(recipe, plan, base, workspace)
            run.meeting.tell(vocabulary.folder.name)
        else:
            vocabulary = load_grown(wait_until_seen(_vocabularies(workspace) / run.meeting.hear()))
    tokenizer = load_tokenizer(vocabulary.folder if vocabulary else base.folder)
    if is_main():
        corpus = _prepare(plan, tokenizer, vocabulary.sha256 if vocabulary else base.tokenizer_sha256, workspace)
        run.meeting.tell(corpus.folder.name)
    else:
        folder = workspace.cache / "corpora" / run.meeting.hear()
        corpus = load_corpus(wait_until_seen(folder), plan.settings.block_size)
    return Text(tokenizer, corpus, vocabulary)


def _vocabularies(workspace: Workspace) -> Path:
    return workspace.cache / "vocabularies"


def _vocabulary(recipe: DomainRecipe, plan: CorpusPlan, base: Base, workspace: Workspace) -> GrownVocabulary:
    from domain_adapt.corpus.preparing import prepare_documents
    from domain_adapt.vocabulary.growing import grow_vocabulary

    with reading() as on_parts:
        documents = prepare_documents(plan, workspace, on_progress=on_parts)
    found = grow_vocabulary(
        documents.texts,
        fingerprint({"documents": plan.fingerprint(), "tokenizer": base.tokenizer_sha256}),
        load_tokenizer(base.folder),
        recipe.vocabulary,
        general_counts(),
        _vocabularies(workspace),
    )
    figures = found.figures()
    logger.info(
        "vocabulary: %s terms added, such as %s; %.3f tokens a word, before %.3f",
        f"{len(found.terms):,}",
        ", ".join(term.form.strip() for term in found.terms[:5]),
        figures["vocabulary/tokens_per_word"],
        figures["vocabulary/tokens_per_word_before"],
    )
    return found


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """Returns what a manifest says about the text."""
    figures = {key: value for key, value in corpus.statistics.items() if isinstance(value, int)}
    for deed in ("dropped", "scrubbed"):
        figures |= {f"{deed}: {what}": count for what, count in corpus.statistics[deed].items()}
    sources = [
        entry | ({"hub_id": entry["name"]} if entry["kind"] == "hub" else {}) for entry in corpus.statistics["sources"]
    ]
    return {"sources": sources, "statistics": figures, "content_sha256": corpus.statistics["content_hash"]}


def _prepare(
    plan: CorpusPlan, tokenizer: PreTrainedTokenizerBase, tokenizer_sha256: str, workspace: Workspace
) -> Corpus:
    from domain_adapt.corpus.prepare import cached_corpus, prepare_corpus
    from domain_adapt.corpus.preparing import prepare_documents

    corpus = cached_corpus(plan, tokenizer_sha256, workspace)
    if corpus is None:
        with reading() as on_parts:
            prepare_documents(plan, workspace, on_progress=on_parts)
        with meter("tokenising") as progress:
            corpus = prepare_corpus(
                plan,
                tokenizer,
                tokenizer_sha256,
                workspace,
                on_progress=lambda documents, characters: progress.update(
                    documents, f"{documents:,} documents, {characters / 1e6:,.1f} M characters"
                ),
            )
    figures = corpus.statistics
    logger.info(
        "corpus: %s documents, %s tokens to train on; %s documents, %s tokens held out; dropped: %s",
        *(f"{figures[key]:,}" for key in ("documents_train", "tokens_train", "documents_heldout", "tokens_heldout")),
        ", ".join(f"{count:,} {reason}" for reason, count in figures["dropped"].items()) or "none",
    )
    return corpus
