"""The texts of labelled data: those that a corpus must not hold, and those that it should be near to."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import HubDataset, Recipe, TaskRecipe, find_recipes, load_task
from domain_adapt.recipes.loading import DEFAULT_PROFILE
from domain_adapt.tasks import TaskType, task_type
from domain_adapt.tasks.json_rows import is_json_file, kind_of
from domain_adapt.tasks.question_answering.reading import raw_records
from domain_adapt.tasks.rows import is_readable, read_rows
from domain_adapt.tasks.splitting import hold_out
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

Part = Literal["train", "dev", "test"]

_EVALUATED: tuple[Part, ...] = ("dev", "test")
_AGAINST = "corpus.decontaminate.against"
_ALL_TASKS, _ONE_TASK = "tasks", "task:"
# Fields of labelled rows that hold text: SQuAD's, those that the task types call theirs, those of GLUE's pairs.
_TEXT_FIELDS = ("context", "question", "text", "text_pair", "pair", "sentence", "sentence1", "sentence2", "choices")
_TOKEN_FIELDS = ("tokens", "words")


def evaluation_texts(
    against: Sequence[str], *, folder: Path, workspace: Workspace = Workspace(), profile: str = DEFAULT_PROFILE
) -> Iterator[str]:
    """Yields every text of evaluation data: contexts, questions, choices, texts and their pairs, tokens as a sentence.

    Args:
        against: ``tasks`` is the dev and test part of every task recipe, for all domains, but for parts on the Hub,
            which are passed over with a line in the log; ``task:qa`` is those of one, parts on the Hub too. A dev part
            that the recipe does not name is the one that fine-tuning will hold out. Anything else is a file, folder or
            glob of labelled data, in any format that tasks are read from.
        folder: Files are relative to it.
        workspace: Where the tasks are.
        profile: Of the task recipes; one that has no such profile is read with the default one.

    Raises:
        DomainAdaptError: If there is no such task or file, or labelled data is wrong; names recipe key or file:line.
    """
    for entry in against:
        if entry == _ALL_TASKS:
            for kind, home in find_recipes(workspace):
                if kind == "task":
                    yield from _evaluated_texts(home.name, workspace, profile, reads_hub=False)
        elif entry.startswith(_ONE_TASK):
            yield from _evaluated_texts(entry.removeprefix(_ONE_TASK), workspace, profile, reads_hub=True)
        else:
            for path in _files(entry, folder):
                yield from _file_texts(path)


def task_texts(
    name: str,
    parts: Sequence[Part] = ("train", "dev", "test"),
    *,
    domain: str | None = None,
    workspace: Workspace = Workspace(),
    profile: str = DEFAULT_PROFILE,
) -> Iterator[str]:
    """Yields what the examples of a task are about, each text once, in the order of the parts.

    That is the context of a question (the question where there is none), a labelled text and the second text of a pair.
    Labels play no part.

    Args:
        name: Of the task, or its folder.
        parts: Of its data. A dev part that the recipe does not name is part of ``train``: without ``train`` it is what
            fine-tuning will hold out.
        domain: Whose data; None takes all domains.
        workspace: Where the tasks are.
        profile: Of the task recipe; one that has no such profile is read with the default one.

    Raises:
        DomainAdaptError: If there is no such task, it has no data for the domain, or its data is wrong.
    """
    recipe = _load_recipe(name, workspace, profile)
    data = recipe.values.data
    if domain is not None and domain not in data:
        known = ", ".join(data) or "none"
        raise DomainAdaptError(f"task {name}: data: no labelled data for domain {domain!r}; there is for: {known}")
    kind = task_type(recipe.values.type)
    seen: set[str] = set()
    for chosen in list(data) if domain is None else [domain]:
        for part in parts:
            for example in _examples(recipe, chosen, part, reads_hub=True):
                for text in (kind.group(example), getattr(example, "pair", "")):
                    if text.strip() and text not in seen:
                        seen.add(text)
                        yield text


def _evaluated_texts(name: str, workspace: Workspace, profile: str, *, reads_hub: bool) -> Iterator[str]:
    try:
        recipe = _load_recipe(name, workspace, profile)
    except DomainAdaptError as error:
        raise DomainAdaptError(f"{_AGAINST}: {error.message}", hint=error.hint) from error
    for domain in recipe.values.data:
        for part in _EVALUATED:
            yield from _texts_of_rows(map(vars, _examples(recipe, domain, part, reads_hub=reads_hub)))


def _load_recipe(name: str, workspace: Workspace, profile: str) -> Recipe[TaskRecipe]:
    try:
        return load_task(name, profile=profile, workspace=workspace)
    except DomainAdaptError:
        return load_task(name, workspace=workspace)  # says the same again if it was not for the profile


def _examples(recipe: Recipe[TaskRecipe], domain: str, part: Part, *, reads_hub: bool) -> list[Any]:
    """Returns the examples of one part of a domain's data; in a cross-validation all are once in the dev part."""
    entry, settings = recipe.values.data[domain], recipe.values.finetune
    kind = task_type(recipe.values.type)
    references = [getattr(entry, part)]
    is_held_out = part == "dev" and not settings.folds and entry.dev is None
    if part == "dev" and (settings.folds or is_held_out):
        references = [entry.train, entry.dev]
    examples: list[Any] = []
    for reference in references:
        if isinstance(reference, HubDataset) and not reads_hub and not Path(reference.hub).expanduser().is_dir():
            shown = f"{recipe.values.name}, {domain}"
            logger.info("%s: the %s part of %s is on the Hub (%s) and not read", _AGAINST, part, shown, reference.hub)
            return []
        if reference is not None:
            examples += _load(kind, reference, recipe)
    return hold_out(examples, kind.group, settings.dev_share)[1] if is_held_out else examples


def _load(kind: TaskType, reference: str | list[str] | HubDataset, recipe: Recipe[TaskRecipe]) -> list[Any]:
    if isinstance(reference, HubDataset):
        return kind.load(reference, recipe.values).examples
    paths = [reference] if isinstance(reference, str) else reference
    return kind.load([recipe.folder / path for path in paths], recipe.values).examples


def _files(entry: str, folder: Path) -> list[Path]:
    """Returns the files that an entry names; of a folder or glob those that labels come in."""
    path = folder / Path(entry).expanduser()
    if path.is_file():
        return [path]
    pattern = str(path / "**" / "*") if path.is_dir() else str(path)
    found = [file for match in sorted(glob.glob(pattern, recursive=True)) if (file := Path(match)).is_file()]
    readable = [file for file in found if is_readable(file)]
    if not readable:
        raise DomainAdaptError(
            f"{_AGAINST}: {entry!r}: no file of labelled data in {folder}",
            hint='expected "tasks", "task:<name>", or a file, folder or glob relative to the recipe\'s folder',
        )
    return readable


def _file_texts(path: Path) -> Iterator[str]:
    empty = True
    for text in _texts_of_rows(_rows(path)):
        empty = False
        yield text
    if empty:
        raise DomainAdaptError(f"{path}: holds no text", hint=f"named in {_AGAINST}")


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yields the rows of a file; of nested SQuAD one a question, with the context."""
    if is_json_file(path):
        placed = ((raw.place, raw.row, raw.inherited) for raw in raw_records(path))
    else:
        placed = ((place, row, None) for place, row in read_rows(path))
    for place, row, inherited in placed:
        if not isinstance(row, Mapping):
            raise DomainAdaptError(f"{place}: expected an object with texts in it, found {kind_of(row)}")
        yield {**(inherited or {}), **row}


def _texts_of_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the texts of rows; one that the row before had in the same field, as contexts are, does not come again.

    A row without a field that is known to hold text gives all its texts: labels and ids in it are too short to matter.
    """
    before: Mapping[str, Any] = {}
    for row in rows:
        tokens = [name for name in _TOKEN_FIELDS if _is_texts(row.get(name))]
        known = [name for name in _TEXT_FIELDS if isinstance(row.get(name), str) or _is_texts(row.get(name))]
        for name in [*tokens, *(known or ([] if tokens else row))]:
            value = row[name]
            if value == before.get(name):
                continue
            if name in tokens:
                value = " ".join(value)
            texts = [value] if isinstance(value, str) else value if _is_texts(value) else []
            yield from (text for text in texts if text.strip())
        before = row


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
