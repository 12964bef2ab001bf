"""Between the stages: questions made out of a domain's own text, and practice on them before the real labels."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from domain_adapt.checkpoints import Checkpoint
from domain_adapt.corpora import corpus_plan, reading
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.contamination import EvaluationNgrams, decontaminator, evaluation_ngrams
from domain_adapt.corpus.preparing import prepare_documents
from domain_adapt.corpus_show import general_counts
from domain_adapt.errors import DomainAdaptError
from domain_adapt.evaluation_texts import evaluation_texts
from domain_adapt.finetune import finetune
from domain_adapt.fingerprint import fingerprint, hash_text
from domain_adapt.question_making import Document, Made, Question, make_questions
from domain_adapt.question_making.unanswerable import SHARE
from domain_adapt.randomness import stream_key
from domain_adapt.recipes import DomainRecipe, Recipe, TaskData, load_domain, load_task, render
from domain_adapt.training.meeting import meet
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace, staged_folder, write_json

logger = logging.getLogger(__name__)

TASK = "practice"
TRAIN, DEV, STATISTICS = "train.jsonl", "dev.jsonl", "statistics.json"
# Part of every fingerprint of questions: raise it when the rules change what comes out.
_FORMAT = 1
# Text that is read for a question: one in five to ten passages' worth, so that there is a choice, and no more, so that
# two thousand questions take a minute or two and not an hour where the corpus has a hundred million characters.
_CHARACTERS_A_QUESTION = 2_000
_NGRAM = 13  # Brown et al. 2020: words in a row that evaluation data may not share


@dataclass(frozen=True)
class Practice:
    """A folder of made questions.

    Attributes:
        folder: Holds ``train.jsonl`` and ``dev.jsonl`` (flat SQuAD 2.0 rows) and ``statistics.json``.
        domain: Name of the domain.
        licence: Of the text.
        statistics: Plain JSON values: ``train`` and ``dev`` (questions), ``passages``, ``documents``, ``kinds`` (what
            is asked for -> questions), ``made`` (how -> questions), ``apart`` (questions whose sentence is left out of
            the context), ``dropped`` (reason -> how many).
    """

    folder: Path
    domain: str
    licence: str
    statistics: dict[str, Any]

    @property
    def train(self) -> Path:
        """The questions to train on."""
        return self.folder / TRAIN

    @property
    def dev(self) -> Path:
        """Questions on other documents, to choose the best epoch by."""
        return self.folder / DEV

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the questions of both parts."""
        for path in (self.train, self.dev):
            with path.open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    def write(self, output: Path) -> None:
        """Writes the questions to a folder as two parts, or to a file (``.jsonl``) as one.

        Raises:
            DomainAdaptError: If nothing can be written there.
        """
        try:
            if output.suffix == ".jsonl":
                output.parent.mkdir(parents=True, exist_ok=True)
                output.write_bytes(self.train.read_bytes() + self.dev.read_bytes())
                return
            output.mkdir(parents=True, exist_ok=True)
            for path in (self.train, self.dev):
                (output / path.name).write_bytes(path.read_bytes())
        except OSError as error:
            raise DomainAdaptError(f"--output: {error.filename or output}: {error.strerror}") from error


def make_practice(
    domain: str,
    *,
    unanswerable: float = SHARE,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    processes: int = 0,
    workspace: Workspace = Workspace(),
) -> Practice:
    """Returns the questions that a domain's documents ask; they are made if that was not done before.

    Documents that share thirteen words in a row with the dev or test part of a task are left out: practising on them
    would flatter every score.

    Args:
        domain: Name of a recipe below ``corpora/``, or a path to a folder with a ``domain.toml``.
        unanswerable: Share of questions that their context does not answer, in [0, 1).
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe, such as ``questions.count=500``.
        processes: Processes that read the sources; 0 is as many as this one may run on.
        workspace: Where recipes, tasks and cache are.

    Raises:
        DomainAdaptError: For anything the user can mend, or if the documents ask no question.
    """
    if not 0 <= unanswerable < 1:
        raise DomainAdaptError(f"--unanswerable: expected at least 0 and less than 1 (found {unanswerable})")
    recipe = load_domain(domain, profile=profile, overrides=overrides, workspace=workspace)
    values = recipe.values
    plan = corpus_plan(recipe, workspace)
    with reading() as progress:
        documents = prepare_documents(plan, workspace, processes=processes, on_progress=progress)
    evaluated = evaluation_ngrams(evaluation_texts(["tasks"], folder=recipe.folder, workspace=workspace), _NGRAM)
    key = {
        "format": _FORMAT,
        "documents": plan.fingerprint(),
        "questions": values.questions.model_dump(),
        "seed": values.seed,
        "sources": len(values.sources),
        "unanswerable": unanswerable,
        "evaluated": evaluated.key,
    }
    folder = workspace.cache / "questions" / fingerprint(key)[:16]
    if not (folder / STATISTICS).is_file():
        _make(recipe, documents, evaluated, unanswerable, folder)
    licences = {entry["licence"] for entry in documents.statistics["sources"][: len(values.sources)]}
    statistics = json.loads((folder / STATISTICS).read_text(encoding="utf-8"))
    return Practice(folder, values.name, "; ".join(sorted(licences)), statistics)


def practise(
    practice: Practice,
    *,
    start: str | None = None,
    name: str | None = None,
    task: str = "qa",
    profile: str = "quick",
    overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Fine-tunes on made questions and returns the published checkpoint, from which stage 2 goes on with its head.

    Args:
        practice: From :func:`make_practice`.
        start: Checkpoint to start from, ``base``, a folder or a Hub id. None: the domain's newest adapted one.
        name: Name of the checkpoint; None: ``<domain>-practice``.
        task: Whose recipe says how to train: a task of type question-answering.
        profile: Profile of the task's recipe.
        overrides: ``key=value`` assignments laid over the task's recipe.
        force: Train even though the checkpoint exists.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, base, disk.
    """
    values = load_task(task, profile=profile, overrides=overrides, workspace=workspace).values
    if values.type != "question-answering":
        raise DomainAdaptError(
            f"task {task}: type: expected question-answering (found {values.type})", hint="name another with --task"
        )
    data = TaskData(train=str(practice.train.absolute()), dev=str(practice.dev.absolute()), licence=practice.licence)
    description = f"questions made out of the text of {practice.domain}"
    made = values.model_copy(update={"name": TASK, "description": description, "data": {practice.domain: data}})
    text = render(made)
    folder = practice.folder / f"task-{hash_text(text)[:16]}"
    folder.mkdir(exist_ok=True)
    temporary = folder / f".task.toml.{os.getpid()}.tmp"  # every rank writes it, and a reader never sees half of it
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / "task.toml")
    return finetune(
        str(folder.absolute()),
        start=start,
        domain=practice.domain,
        name=name or f"{practice.domain}-{TASK}",
        force=force,
        workspace=workspace,
    )


def make_and_practise(
    domain: str,
    *,
    unanswerable: float = SHARE,
    start: str | None = None,
    name: str | None = None,
    task: str = "qa",
    profile: str = "quick",
    overrides: Sequence[str] = (),
    task_overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> tuple[Practice, Checkpoint]:
    """Returns the questions of a domain and the checkpoint that has practised on them.

    Under ``accelerate launch`` or ``torchrun`` every process calls it with the same arguments; one makes the questions.
    Arguments and errors are those of :func:`make_practice` and :func:`practise`.
    """
    with meet() as meeting:
        practice = meeting.main_first(
            lambda: make_practice(
                domain, unanswerable=unanswerable, profile=profile, overrides=overrides, workspace=workspace
            )
        )
    checkpoint = practise(
        practice,
        start=start,
        name=name,
        task=task,
        profile=profile,
        overrides=task_overrides,
        force=force,
        workspace=workspace,
    )
    return practice, checkpoint


def _make(
    recipe: Recipe[DomainRecipe],
    documents: Documents,
    evaluated: EvaluationNgrams,
    unanswerable: float,
    folder: Path,
) -> None:
    values = recipe.values
    chosen, dropped = _documents(documents, evaluated, values)
    with meter("making questions", len(chosen)) as progress:
        made = make_questions(
            chosen,
            values.questions,
            general_counts(),
            seed=values.seed,
            unanswerable=unanswerable,
            on_progress=lambda done, total: progress.update(done),
        )
    made.dropped.update(dropped)
    if not made.train or not made.dev:
        raise DomainAdaptError(
            f"domain {values.name}: {len(chosen):,} documents gave {len(made.train)} questions to train on and "
            f"{len(made.dev)} for the dev part; expected some for both",
            hint="more text, a smaller questions.passage_words, or questions.kind=both",
        )
    with staged_folder(folder) as staging:
        for file, questions in ((TRAIN, made.train), (DEV, made.dev)):
            lines = (json.dumps(question.as_row(), ensure_ascii=False) + "\n" for question in questions)
            (staging / file).write_text("".join(lines), encoding="utf-8")
        write_json(staging / STATISTICS, _statistics(made, len(chosen)))


def _documents(
    documents: Documents, evaluated: EvaluationNgrams, recipe: DomainRecipe
) -> tuple[list[Document], Counter[str]]:
    """Returns the documents to ask about, chosen by their hash where there are more than are needed; none of replay."""
    statistics = documents.statistics["sources"][: len(recipe.sources)]
    most = _CHARACTERS_A_QUESTION * recipe.questions.count
    share = min(1.0, most / max(1, sum(entry["characters"] for entry in statistics)))
    check = decontaminator(evaluated, "drop")
    chosen: list[Document] = []
    dropped: Counter[str] = Counter()
    rows = (row for batch in documents.batches() for row in batch.to_pylist())
    for row in islice(rows, sum(entry["documents"] for entry in statistics)):
        if stream_key(recipe.seed, f"questions-documents/{row['text']}") / 2**128 >= share:
            dropped["document: not needed for so many questions"] += 1
        elif isinstance(check(row["text"]), Dropped):
            dropped["document: shares 13 words in a row with the dev or test part of a task"] += 1
        else:
            chosen.append(Document(row["id"], row["text"]))
    return chosen, dropped


def _statistics(made: Made, documents: int) -> dict[str, Any]:
    everything: list[Question] = [*made.train, *made.dev]
    answerable = [question for question in everything if question.answer]
    return {
        "train": len(made.train),
        "dev": len(made.dev),
        "documents": documents,
        "passages": made.passages,
        "made": dict(Counter(question.made for question in everything)),
        "kinds": dict(Counter(question.kind for question in answerable).most_common()),
        "apart": sum(question.is_apart for question in answerable),
        "dropped": dict(made.dropped.most_common()),
    }
