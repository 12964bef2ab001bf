"""What labelled texts and labelled spans share: reading files, names of labels, cutting to what a model reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from domain_adapt.errors import DomainAdaptError
from domain_adapt.hub_datasets import resolve_commit, stream_rows
from domain_adapt.recipes import HubDataset
from domain_adapt.tasks.rows import read_rows

LONGEST_TEXT = 1_000_000  # characters


class Placed(Protocol):
    """An example that knows where it came from."""

    @property
    def id(self) -> str:
        """Of the example."""

    @property
    def text(self) -> str:
        """What is read."""

    @property
    def place(self) -> str:
        """``file:line``."""


Example = TypeVar("Example", bound=Placed)


def load(source: Sequence[Path] | HubDataset, parse: Callable[[Any, str], Example]) -> list[Example]:
    """Returns the examples in files (JSON, CSV, Parquet, CoNLL) or in a Hub data set.

    Raises:
        DomainAdaptError: Names file and line: if a file is missing, empty or damaged, a text is blank, or an id is
            used twice; and whatever ``parse`` raises.
    """
    examples: list[Example] = []
    places: dict[str, str] = {}
    for place, row in _rows(source):
        example = parse(row, place)
        if not example.text.strip():
            raise DomainAdaptError(f"{place}: id {example.id!r}: the text is blank")
        check_length(example.text, "text", f"{place}: id {example.id!r}")
        if example.id in places:
            raise DomainAdaptError(f"{place}: id {example.id!r} was used before, at {places[example.id]}")
        places[example.id] = place
        examples.append(example)
    return examples


def check_length(text: str, what: str, place: str) -> None:
    """Raises DomainAdaptError for a text that is too long to be one: files joined by mistake, a book, a dump."""
    if len(text) > LONGEST_TEXT:
        raise DomainAdaptError(
            f"{place}: the {what} has {len(text):,} characters; expected at most {LONGEST_TEXT:,}",
            hint="cut it into passages, and see whether a quotation mark or a line end is missing",
        )


def check_known(examples: Iterable[tuple[str, str]], labels: Sequence[str]) -> None:
    """Raises DomainAdaptError for the first (place, label) whose label was not trained on."""
    known = frozenset(labels)
    for place, label in examples:
        if label not in known:
            raise DomainAdaptError(
                f"{place}: label {label!r} does not occur in the training data",
                hint=f"the labels there are: {', '.join(labels)}",
            )


def labels_of_config(config: Any) -> tuple[str, ...]:
    """Returns the labels in the order of the model's outputs."""
    return tuple(config.id2label[index] for index in range(len(config.id2label)))


def hub_label(dataset: HubDataset) -> str:
    """Returns what a Hub data set is called in messages."""
    return f"{dataset.hub} ({dataset.split})"


def hub_rows(dataset: HubDataset) -> Iterator[tuple[str, Any]]:
    """Yields (place, row) of a Hub data set, or of a local folder; data files only, loading scripts are never run.

    Raises:
        DomainAdaptError: If the data set cannot be had.
    """
    folder = Path(dataset.hub).expanduser()
    local = folder if folder.is_dir() else None
    commit = resolve_commit(dataset.hub, dataset.revision) if local is None else None
    rows = stream_rows(
        dataset.hub,
        config=dataset.config,
        split=dataset.split,
        commit=commit,
        local=local,
        converted=dataset.revision == "refs/convert/parquet",
    )
    for number, row in enumerate(rows, start=1):
        yield f"{hub_label(dataset)} row {number}", row


def _rows(source: Sequence[Path] | HubDataset) -> Iterator[tuple[str, Any]]:
    if isinstance(source, HubDataset):
        yield from _some(hub_rows(source), f"Hub data set {hub_label(source)}")
        return
    if not source:
        raise DomainAdaptError("no labelled files given", hint="expected at least one file")
    for path in source:
        yield from _some(read_rows(path), str(path))


def _some(rows: Iterable[tuple[str, Any]], name: str) -> Iterator[tuple[str, Any]]:
    empty = True
    for one in rows:
        empty = False
        yield one
    if empty:
        raise DomainAdaptError(f"{name}: holds no examples")
