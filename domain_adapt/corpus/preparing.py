"""From sources to prepared documents: every part by itself and cached, then what concerns all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.decide import SourceParts
from domain_adapt.corpus.documents import Documents, load_documents
from domain_adapt.corpus.filters.contamination import EvaluationNgrams
from domain_adapt.corpus.gather import Select, gather
from domain_adapt.corpus.jobs import Job
from domain_adapt.corpus.mixing import Share
from domain_adapt.corpus.part_file import PartFile
from domain_adapt.corpus.part_work import PartRules
from domain_adapt.corpus.selection import select
from domain_adapt.corpus.selection.basics import Batches, Progress
from domain_adapt.corpus.sources import Source
from domain_adapt.corpus.sources.base import Part
from domain_adapt.corpus.workers import prepare_parts, usable_processes
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import CorpusSettings
from domain_adapt.workspace import Workspace, staged_folder

# Part of every fingerprint of documents: raise it when deciding or writing changes what comes out.
DOCUMENTS_FORMAT = 1
# Characters read for each token that a source may give: few texts have more, and none has less than one.
_CHARACTERS_PER_TOKEN = 12
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class CorpusPlan:
    """Everything that decides the prepared documents.

    Attributes:
        sources: Read in this order, which is the order of the documents.
        settings: The recipe's corpus table.
        shares: What each source is to make up of the tokens; a max_tokens also ends the reading of it.
        max_documents: The most documents wanted of each source; None is no limit.
        ngrams: What evaluation data holds, if the corpus is to hold none of it.
        targets: Texts that the selected documents are to be like.
        base_folder: The weights that embed texts, if documents are selected by similarity.
    """

    sources: Sequence[Source]
    settings: CorpusSettings
    shares: Sequence[Share] = ()
    max_documents: Sequence[int | None] = ()
    ngrams: EvaluationNgrams | None = None
    targets: Sequence[str] = ()
    base_folder: Path | None = None

    @property
    def rules(self) -> PartRules:
        """What is done to every part."""
        return PartRules(self.settings, self.ngrams)

    def limits(self) -> list[tuple[int | None, int | None]]:
        """Returns the most documents and the most characters to read of each source."""
        documents = self.max_documents or [None] * len(self.sources)
        tokens = [share.max_tokens for share in self.shares] or [None] * len(self.sources)
        characters = [None if count is None else count * _CHARACTERS_PER_TOKEN for count in tokens]
        return list(zip(documents, characters, strict=True))

    def fingerprint(self) -> str:
        """Returns the SHA-256 over what decides the documents; reads the sources' files, the first time."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        # Run, blocks, documents and manifest each ask for it.
        settings = self.settings
        values: dict[str, Any] = {
            "format": DOCUMENTS_FORMAT,
            "rules": self.rules.key,
            "sources": [source.fingerprint() for source in self.sources],
            "limits": [list(limit) for limit in self.limits()],
            "deduplicate": settings.deduplicate.model_dump(),
            "boilerplate": settings.filters.boilerplate_documents,
            "select": [settings.select.model_dump(exclude={"to"}), fingerprint({"targets": list(self.targets)})]
            if settings.select.by != "none"
            else None,
        }
        return fingerprint(values)


@dataclass
class PartProgress:
    """How far the work on the documents is: first parts are read, then what is left of them is brought together.

    Attributes:
        parts: Of all sources.
        bytes: Of all parts, as far as their sizes are known.
        parts_done: Finished, those of earlier runs included.
        bytes_done: Of the finished parts.
        step: What is done after the reading; empty before.
        documents: That the step goes over.
        documents_done: By the step.
    """

    parts: int
    bytes: int
    parts_done: int = 0
    bytes_done: int = 0
    step: str = ""
    documents: int = 0
    documents_done: int = 0


@dataclass
class _Work:
    """The parts of one source and the files that hold what is left of them."""

    jobs: list[Job]
    max_documents: int | None
    max_characters: int | None
    _enough: int = 0
    _totals: list[int] = field(default_factory=lambda: [0, 0])

    def is_enough(self) -> bool:
        """Returns whether the parts finished without a gap from the first on hold what is wanted."""
        if self.max_documents is None and self.max_characters is None:
            return False
        while self._enough < len(self.jobs) and self.jobs[self._enough].path.exists():
            summary = PartFile(self.jobs[self._enough].path).summary()
            self._totals[0] += summary.read
            self._totals[1] += summary.characters_read
            self._enough += 1
            if self._is_reached():
                break
        return self._is_reached()

    def _is_reached(self) -> bool:
        documents, characters = self.max_documents, self.max_characters
        enough_documents = documents is not None and self._totals[0] >= documents
        return enough_documents or (characters is not None and self._totals[1] >= characters)

    def finished(self) -> list[PartFile]:
        """Returns the files to go on with, in order."""
        limited = self.is_enough()
        return [PartFile(job.path) for job in (self.jobs[: self._enough] if limited else self.jobs)]


def prepare_documents(
    plan: CorpusPlan,
    workspace: Workspace,
    *,
    processes: int = 0,
    on_progress: Callable[[PartProgress], None] = lambda progress: None,
) -> Documents:
    """Returns the documents, from the cache if the same were prepared before.

    Parts are kept in ``<cache>/parts``: after a kill, or when a file is added, only what is missing is read.

    Args:
        plan: Sources and settings.
        workspace: The documents are kept in ``<cache>/documents/<fingerprint>``.
        processes: Processes that read parts; 0 is as many as this one may run on.
        on_progress: Called after each part, and while documents are selected and written.

    Raises:
        DomainAdaptError: If a source cannot be read.
    """
    name = plan.fingerprint()
    folder = documents_folder(workspace, name)
    if not folder.is_dir():
        work = plan_work(plan, workspace)
        progress = PartProgress(sum(len(one.jobs) for one in work), sum(j.part.size for one in work for j in one.jobs))
        for one in work:
            _prepare_missing(plan.rules, one, processes or usable_processes(), progress, on_progress)

        def show(step: str, done: int, total: int) -> None:
            progress.step, progress.documents_done, progress.documents = step, done, total
            on_progress(progress)

        gather_documents(plan, work, name, folder, on_progress=show)
    return load_documents(folder)


def documents_folder(workspace: Workspace, name: str) -> Path:
    """Returns where the documents of a fingerprint are, or will be."""
    return workspace.cache / "documents" / name[:16]


def plan_work(plan: CorpusPlan, workspace: Workspace) -> list[_Work]:
    """Returns the jobs of every source."""
    folder = workspace.cache / "parts" / plan.rules.key[:16]
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    work = []
    for source, (documents, characters) in zip(plan.sources, plan.limits(), strict=True):
        work.append(_Work([_job(part, folder) for part in source.parts()], documents, characters))
    return work


def _sweep(folder: Path) -> None:
    """Removes what killed processes left behind; no part takes as long as a day."""
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):  # swept by another process
            if time.time() - path.stat().st_mtime > _DAY_SECONDS:
                path.unlink()


def _job(part: Part, folder: Path) -> Job:
    return Job(part, folder / f"{part.key}.parquet")


def _prepare_missing(
    rules: PartRules,
    work: _Work,
    processes: int,
    progress: PartProgress,
    on_progress: Callable[[PartProgress], None],
) -> None:
    def done(job: Job) -> None:
        progress.parts_done += 1
        progress.bytes_done += job.part.size
        on_progress(progress)

    missing = []
    for job in work.jobs:
        if PartFile(job.path).is_whole():
            done(job)
        else:
            job.path.unlink(missing_ok=True)  # cut short by a crash of the machine
            missing.append(job)
    if missing and not work.is_enough():
        prepare_parts(rules, missing, processes=processes, on_done=done, is_enough=work.is_enough)


def gather_documents(
    plan: CorpusPlan,
    work: Sequence[_Work],
    name: str,
    folder: Path,
    *,
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> None:
    """Brings finished parts together in ``folder``, which must not exist; tells step, documents done and all of them.

    Raises:
        DomainAdaptError: If a part is missing.
    """
    sources = [SourceParts(one.finished(), one.max_documents) for one in work]
    missing = [file.path.name for source in sources for file in source.files if not file.path.exists()]
    if missing:
        raise DomainAdaptError(f"{len(missing)} parts of the corpus are not prepared", hint="the same command does it")
    infos = [(source.info(), source.fingerprint()) for source in plan.sources]
    chosen: Select | None = None
    if plan.settings.select.by != "none":

        def chosen(batches: Batches, told: Progress) -> npt.NDArray[np.bool_]:
            settings = plan.settings.select
            return select(batches, plan.targets, settings, base_folder=plan.base_folder, on_progress=told)

    with staged_folder(folder) as staging:
        gather(staging, name, sources, infos, plan.settings, select=chosen, on_progress=on_progress)
