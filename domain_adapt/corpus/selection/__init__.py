"""The part of a corpus that is nearest to a task's text."""

from domain_adapt.corpus.selection.basics import Batches, Progress
from domain_adapt.corpus.selection.selecting import select

__all__ = ["Batches", "Progress", "select"]
