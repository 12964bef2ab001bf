"""A prepared corpus to look at: its figures, and examples of what was kept, dropped and merged."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from domain_adapt.bases import load_tokenizer, resolve_base
from domain_adapt.corpora import open_documents
from domain_adapt.corpus.documents import CLUSTERS, Documents, dropped_path
from domain_adapt.corpus.profile import CorpusProfile, profile
from domain_adapt.corpus.vocabulary import words_of
from domain_adapt.errors import DomainAdaptError
from domain_adapt.evaluation_texts import task_texts
from domain_adapt.recipes import DomainRecipe, find_recipes, load_domain
from domain_adapt.report.corpus_page import corpus_page
from domain_adapt.stages import base_assignments
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

# Every fourth of the first 12,000 entries of the dictionary: 1.4 s to read, and what definitions and quotations are
# written in does not depend on the letter that the headword begins with.
_GENERAL_ENTRIES, _GENERAL_STEP = 12_000, 4
# Word frequencies as counts in so many words, the order of what wordfreq's are made from; its rarest has 100 then.
_GENERAL_SCALE = 1e10
_SAMPLES = 5  # documents shown of each source, and of each reason to drop one
_CLUSTERS = 10


@dataclass(frozen=True)
class Shown:
    """A corpus, measured.

    Attributes:
        recipe: Whose corpus.
        base: Whose tokenizer.
        documents: Where it lies.
        profile: Its figures.
    """

    recipe: DomainRecipe
    base: str
    documents: Documents
    profile: CorpusProfile

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        heading = {"domain": self.recipe.name, "base": self.base, "folder": str(self.documents.folder)}
        return heading | self.profile.as_json()


def show(
    domain: str,
    *,
    base: str | None = None,
    profile_name: str = "quick",
    overrides: Sequence[str] = (),
    processes: int = 0,
    workspace: Workspace = Workspace(),
) -> Shown:
    """Returns the figures of a domain's corpus, which is prepared if that was not done before.

    Args:
        domain: Name of a recipe below ``corpora/``, or a path.
        base: Whose tokenizer counts; None: the recipe's.
        profile_name: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        processes: Processes that read the sources; 0 is as many as this one may run on.
        workspace: Where recipes, tasks and cache are.

    Raises:
        DomainAdaptError: For anything the user can mend; names what to install where general English is missing.
    """
    assignments = [*overrides, *base_assignments(base)]
    recipe = load_domain(domain, profile=profile_name, overrides=assignments, workspace=workspace).values
    counts = general_counts()
    start = resolve_base(recipe.base, workspace=workspace, revision=recipe.base_revision or None)
    documents = open_documents(
        domain, profile=profile_name, overrides=assignments, processes=processes, workspace=workspace
    )
    tasks = texts_of_tasks(recipe.name, profile_name, workspace)
    found = profile(documents, load_tokenizer(start.folder), counts, tasks, general_texts())
    return Shown(recipe, start.name, documents, found)


def page(shown: Shown) -> str:
    """Returns one self-contained HTML page about a corpus."""
    documents = shown.documents
    return corpus_page(
        shown.as_json(),
        samples=sample_documents(documents),
        dropped=dropped_documents(documents),
        clusters=near_duplicates(documents),
    )


def general_counts() -> Counter[str]:
    """Returns how often general English has each word, in ten thousand million words, from the package ``wordfreq``.

    Raises:
        DomainAdaptError: If the package is not installed.
    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError:
        raise DomainAdaptError(
            "the package wordfreq, which knows how frequent English words are, is not installed",
            hint="pip install 'domain-adapt[embedded]'",
        ) from None
    counts: Counter[str] = Counter()
    for word, frequency in get_frequency_dict("en", wordlist="best").items():
        for part in words_of(word):  # "women's" is counted as in running text
            counts[part] += frequency * _GENERAL_SCALE  # type: ignore[assignment]  # a Counter of floats
    return counts


def general_texts() -> Iterator[str]:
    """Yields some thousand texts of general English: entries of a dictionary.

    Raises:
        DomainAdaptError: If the package that holds it is not installed.
    """
    from domain_adapt.corpus.sources.gcide import Dictionary

    return (document.text for document in islice(Dictionary().documents(), 0, _GENERAL_ENTRIES, _GENERAL_STEP))


def texts_of_tasks(domain: str, profile_name: str, workspace: Workspace) -> dict[str, list[str]]:
    """Returns the texts of every task that has labelled data for the domain; passes over data out of reach."""
    found: dict[str, list[str]] = {}
    for kind, folder in find_recipes(workspace):
        if kind != "task":
            continue
        try:
            found[folder.name] = list(task_texts(folder.name, domain=domain, workspace=workspace, profile=profile_name))
        except DomainAdaptError as error:
            logger.info("not compared with the task %s: %s", folder.name, error.message)
    return found


def sample_documents(documents: Documents, count: int = _SAMPLES) -> list[list[dict[str, str]]]:
    """Returns for each source ``count`` documents (id, source, text), evenly spread over it."""
    samples: list[list[dict[str, str]]] = []
    wanted: dict[int, int] = {}
    first = 0
    for index, entry in enumerate(documents.statistics["sources"]):
        size = entry["documents"]
        samples.append([])
        wanted |= {first + place * size // count: index for place in range(count) if size}
        first += size
    start = 0
    for batch in documents.batches():
        for number in range(start, start + batch.num_rows):
            if number in wanted:
                row = {name: batch.column(name)[number - start].as_py() for name in ("id", "source", "text")}
                samples[wanted[number]].append(row)
        start += batch.num_rows
    return samples


def dropped_documents(documents: Documents, count: int = _SAMPLES) -> dict[str, list[dict[str, str]]]:
    """Returns ``count`` of the documents (id, source, detail, text) that were dropped for each reason."""
    paths = {reason: dropped_path(documents.folder, reason) for reason in documents.statistics["dropped"]}
    return {reason: _read(path, count) for reason, path in paths.items() if path.exists()}


def near_duplicates(documents: Documents, count: int = _CLUSTERS) -> list[dict[str, Any]]:
    """Returns ``count`` clusters of near duplicates: ``kept`` and ``dropped`` ids, and the beginning of the texts."""
    path = documents.folder / CLUSTERS
    return _read(path, count) if path.exists() else []


def _read(path: Path, count: int) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in islice(file, count)]
