"""Selection: the documents of a corpus that are nearest to a task's text."""

from domain_adapt.corpus.selection.choosing import select

__all__ = ["select"]
