"""What a checkpoint came from and what came from it, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text
from rich.tree import Tree

from domain_adapt.bases.resolving import checkpoint_identity
from domain_adapt.checkpoints import Ancestor, Checkpoint, Manifest, Parent

_SHOWN_DIGITS = 12  # of a hash: one in 10^14 for two to agree by chance


@dataclass(frozen=True)
class Node:
    """One model in the tree.

    Attributes:
        name: ``medical@v1``, or what a base is called.
        kind: ``adapt``, ``finetune``, ``merge``, ``base``, or ``checkpoint`` for one that is not here any more.
        sha256: Of config, weights and tokenizer.
        note: What else there is to say, or "".
        parents: What it came from.
        children: What came from it; filled in for the one that was asked for and what came from it.
    """

    name: str
    kind: str
    sha256: str
    note: str = ""
    parents: list[Node] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        own = {"name": self.name, "kind": self.kind, "sha256": self.sha256, "note": self.note}
        return own | {
            "parents": [one.as_json() for one in self.parents],
            "children": [one.as_json() for one in self.children],
        }


class Family:
    """The checkpoints of a store, by who came from whom; a parent is known by its bytes, not by its name alone."""

    def __init__(self, checkpoints: Sequence[Checkpoint]) -> None:
        self._by_ref = {one.ref: one for one in checkpoints}
        self._identities = {one.ref: checkpoint_identity(one.manifest) for one in checkpoints}

    def node(self, checkpoint: Checkpoint) -> Node:
        """Returns a checkpoint with all that it came from and all that came from it."""
        return Node(*self._own(checkpoint), "", self._parents(checkpoint.manifest), self._children(checkpoint))

    def find(self, parent: Parent) -> Checkpoint | None:
        """Returns the checkpoint that a manifest names as its parent, wherever it is called now, or None."""
        if parent.kind == "base":
            return None
        if self._identities.get(parent.name) == parent.sha256:
            return self._by_ref[parent.name]
        same = [ref for ref, identity in self._identities.items() if identity == parent.sha256]
        return self._by_ref[same[0]] if same else None

    def _own(self, checkpoint: Checkpoint) -> tuple[str, str, str]:
        identity = self._identities.get(checkpoint.ref) or checkpoint_identity(checkpoint.manifest)
        return checkpoint.ref, checkpoint.manifest.stage, identity

    def _parents(self, manifest: Manifest) -> list[Node]:
        return [self._parent(parent, manifest) for parent in manifest.all_parents]

    def _parent(self, parent: Parent, child: Manifest) -> Node:
        if parent.kind == "base":
            return Node(parent.name, "base", parent.sha256, f"revision {parent.revision}" if parent.revision else "")
        found = self.find(parent)
        if found is None:
            note = "here are other bytes now" if parent.name in self._by_ref else "not here any more"
            return Node(parent.name, "checkpoint", parent.sha256, note, self._remembered(parent, child))
        note = "" if found.ref == parent.name else f"was called {parent.name}"
        return Node(*self._own(found), note, self._parents(found.manifest))

    def _remembered(self, parent: Parent, child: Manifest) -> list[Node]:
        """Returns what a checkpoint that is gone came from, as far as its child remembers it."""
        if child.parents:  # of a merge the lineages of all parents are one list; what is sure is its end
            return _chain(child.lineage[-1:])
        return _chain(child.lineage[1:])

    def _children(self, checkpoint: Checkpoint) -> list[Node]:
        found = []
        for one in self._by_ref.values():
            parents = [self.find(parent) for parent in one.manifest.all_parents]
            if any(parent is not None and parent.ref == checkpoint.ref for parent in parents):
                note = f"merged from {len(parents)}" if len(parents) > 1 else ""
                found.append(Node(*self._own(one), note, [], self._children(one)))
        return found


def _chain(ancestors: Sequence[Ancestor]) -> list[Node]:
    if not ancestors:
        return []
    first, *rest = ancestors
    return [Node(first.name, "checkpoint" if rest else "base", first.sha256, "", _chain(rest))]


def lineage_tree(node: Node) -> Tree:
    """Returns a tree for the terminal: the model, above all what it came from, below what came from it."""
    tree = Tree(_label(node, "bold"))
    _grow(tree, node.parents, "parents", "from ")
    _grow(tree, node.children, "children", "gave ")
    return tree


def _grow(tree: Tree, nodes: Sequence[Node], key: str, word: str) -> None:
    for one in nodes:
        _grow(tree.add(Text(word) + _label(one)), getattr(one, key), key, word)


def _label(node: Node, style: str = "") -> Text:
    note = f" ({node.note})" if node.note else ""
    return Text.assemble((node.name, style), f"  {node.kind}  {node.sha256[:_SHOWN_DIGITS]}{note}")
