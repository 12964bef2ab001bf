"""Questions out of unlabelled text, by rules alone: no model, no tagger, no network."""

from domain_adapt.question_making.making import DEV_SHARE, Made, make_questions
from domain_adapt.question_making.passages import Document, Passage, make_passages
from domain_adapt.question_making.questions import Question

__all__ = ["DEV_SHARE", "Document", "Made", "Passage", "Question", "make_passages", "make_questions"]
