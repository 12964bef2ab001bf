"""Two checkpoints side by side: recipe, data, figures, packages, machine, and how far their weights are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from domain_adapt.bases.resolving import checkpoint_identity
from domain_adapt.checkpoints import Checkpoint, Manifest
from domain_adapt.checkpoints.untrusted import weight_files
from domain_adapt.report.model_card import flatten
from domain_adapt.report.subject import sources_of
from domain_adapt.training.distance import WeightDistance, weight_distance

Pair = tuple[Any, Any]
_ABSENT = "-"
_SOURCE_KEYS = ("licence", "revision", "documents", "tokens", "fingerprint")


@dataclass(frozen=True)
class Difference:
    """What tells two checkpoints apart.

    Attributes:
        refs: What they are called.
        identical: Config, weights and tokenizer are the same bytes.
        origin: Stage, parents, fingerprint: what differs.
        recipe: Key -> both values, where they differ; None where there is no such key.
        data: The same of sources, statistics and content hash.
        metrics: Every figure of either, equal or not.
        packages: Versions that differ.
        environment: What differs of the machine.
        weights: How far apart they are.
    """

    refs: tuple[str, str]
    identical: bool
    origin: dict[str, Pair]
    recipe: dict[str, Pair]
    data: dict[str, Pair]
    metrics: dict[str, Pair]
    packages: dict[str, Pair]
    environment: dict[str, Pair]
    weights: WeightDistance

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        values = asdict(self)
        values["weights"]["groups"] = [
            {"group": one.group, "numbers": one.numbers, "relative": one.relative, "largest": one.largest}
            for one in self.weights.groups
        ]
        return values


def compare_checkpoints(one: Checkpoint, other: Checkpoint) -> Difference:
    """Returns what tells two checkpoints apart; the weights are read a piece at a time.

    Raises:
        DomainAdaptError: If weights are missing.
    """
    first, second = one.manifest, other.manifest
    both = {**first.metrics, **second.metrics}
    files = [weight_files(checkpoint.folder, checkpoint.ref) for checkpoint in (one, other)]
    return Difference(
        refs=(one.ref, other.ref),
        identical=checkpoint_identity(first) == checkpoint_identity(second),
        origin=unequal(_origin(first), _origin(second)),
        recipe=unequal(dict(flatten(first.recipe)), dict(flatten(second.recipe))),
        data=unequal(_data(first), _data(second)),
        metrics={key: (first.metrics.get(key), second.metrics.get(key)) for key in both},
        packages=unequal(first.packages, second.packages),
        environment=unequal(first.environment, second.environment),
        weights=weight_distance(*files),
    )


def unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Pair]:
    """Returns both values of the keys that differ; None stands for a key that is not there."""
    return {key: (one.get(key), other.get(key)) for key in {**one, **other} if one.get(key) != other.get(key)}


def _origin(manifest: Manifest) -> dict[str, Any]:
    parents = manifest.all_parents
    return {
        "stage": manifest.stage,
        "profile": manifest.profile,
        "from": " + ".join(parent.name for parent in parents),
        "from (SHA-256)": " + ".join(parent.sha256 for parent in parents),
        "fingerprint": manifest.fingerprint,
    }


def _data(manifest: Manifest) -> dict[str, Any]:
    corpus = manifest.corpus
    found: dict[str, Any] = {"content_sha256": corpus.get("content_sha256")}
    for source in sources_of(corpus):
        name = f"{source.get('kind')} {source.get('name')}"
        found |= {f"{name}: {key}": source[key] for key in _SOURCE_KEYS if source.get(key) is not None}
    rest = {key: value for key, value in corpus.items() if key not in ("sources", "content_sha256")}
    return found | dict(flatten(rest))


def difference_tables(difference: Difference) -> Iterator[Table | str]:
    """Yields what the terminal shows: a line for what is the same, a table for what is not."""
    if difference.identical:
        yield "config, weights and tokenizer are the same bytes"
    same = []
    for title in ("origin", "recipe", "data", "metrics", "packages", "environment"):
        pairs: dict[str, Pair] = getattr(difference, title)
        if pairs:
            yield _table(title, difference.refs, pairs)
        else:
            same.append(title)
    if same:
        yield f"the same: {', '.join(same)}"
    yield _weights_table(difference.weights)
    names = [
        f"{ref}: {', '.join(only)}" for ref, only in zip(difference.refs, difference.weights.only, strict=True) if only
    ]
    if names:
        yield f"weights that one has alone: {'; '.join(names)}"
    for name, (first, second) in difference.weights.shapes.items():
        yield f"{name}: {first} and {second}, so not compared"


def _table(title: str, refs: tuple[str, str], pairs: Mapping[str, Pair]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold")
    for column in ("", *refs):
        table.add_column(column, overflow="fold")
    for key, (first, second) in pairs.items():
        table.add_row(key, Text(_shown(first)), Text(_shown(second)))
    return table


def _weights_table(distance: WeightDistance) -> Table:
    table = Table(
        title="weights: |difference| / |first|", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for column in ("part", "relative", "largest", "numbers"):
        table.add_column(column, justify="left" if column == "part" else "right", header_style="bold")
    for one in distance.groups:
        table.add_row(one.group, f"{one.relative:.2e}", f"{one.largest:.2e}", f"{one.numbers:,}")
    return table


def _shown(value: Any) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
