"""From documents to a set of questions: passages, candidates of every kind, an even choice, two sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from domain_adapt.corpus.dedup import content_hash
from domain_adapt.question_making.cloze import cloze_questions
from domain_adapt.question_making.definitions import definition_questions
from domain_adapt.question_making.lexicon import Lexicon, make_lexicon
from domain_adapt.question_making.noun_phrases import Kind
from domain_adapt.question_making.passages import Document, Passage, make_passages
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.recurring_spans import recurring_span_questions
from domain_adapt.question_making.unanswerable import SHARE, put_elsewhere
from domain_adapt.recipes import QuestionSettings

# Of the documents, by their hash: to choose the best epoch by. Stage 1's own share is smaller, for its loss needs few.
DEV_SHARE = 0.1
# Questions on one passage and of one origin: SQuAD has five a paragraph, but here text is plenty and variety is not.
_MOST_OF_A_PASSAGE = 3


@dataclass
class Made:
    """The questions of a domain.

    Attributes:
        train: To train on.
        dev: On other documents, to choose the best epoch by.
        passages: How many there were.
        dropped: Reason -> how many documents, spans or questions came to nothing for it.
    """

    train: list[Question] = field(default_factory=list)
    dev: list[Question] = field(default_factory=list)
    passages: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def make_questions(
    documents: Sequence[Document],
    settings: QuestionSettings,
    general: Mapping[str, float],
    *,
    seed: int,
    unanswerable: float = SHARE,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Made:
    """Returns the questions that documents ask, a pure function of the arguments.

    A document is on the same side, train or dev, whatever the seed and the other documents are, and so is every passage
    that it is joined into.

    Args:
        documents: Prepared.
        settings: The recipe's questions table.
        general: How often general English has each word, in any unit of counts.
        seed: Decides which documents are joined and which questions are taken.
        unanswerable: Share of the questions that their context does not answer, in [0, 1).
        on_progress: Called with the number of documents that were worked through, and of all.
    """
    made = Made()
    lexicon = make_lexicon((document.text for document in documents), general)
    ordered = sorted(documents, key=lambda document: _rank(seed, document.id + document.text))
    sides: dict[bool, list[Document]] = {False: [], True: []}
    for document in ordered:
        sides[is_dev(document.text)].append(document)
    done = 0
    seen: set[str] = set()
    for dev, ours in sides.items():
        passages = []
        used: set[str] = set()
        candidates: dict[str, list[Question]] = defaultdict(list)
        for passage in make_passages(ours, lexicon.terms, words=settings.passage_words):
            passages.append(passage)
            used.update(passage.documents)
            for question in _of_passage(passage, lexicon, settings, seed, made.dropped):
                candidates[question.origin].append(question)
            on_progress(done + len(used), len(documents))
        done += len(ours)
        made.passages += len(passages)
        made.dropped["document: too short, and shares no term with another short one"] += len(ours) - len(used)
        wanted = round(settings.count * (DEV_SHARE if dev else 1 - DEV_SHARE))
        chosen = _chosen(candidates, wanted, unanswerable, passages, seed, seen, made.dropped)
        if dev:
            made.dev = chosen
        else:
            made.train = chosen
    made.dropped = +made.dropped
    return made


def is_dev(text: str) -> bool:
    """Returns whether the questions on a document are for the dev part: by its content alone, as in stage 1."""
    return int(content_hash(text)[:13], 16) / 16**13 < DEV_SHARE


def _of_passage(
    passage: Passage, lexicon: Lexicon, settings: QuestionSettings, seed: int, dropped: Counter[str]
) -> Iterator[Question]:
    """Yields at most three questions of each origin, no answer twice."""
    most = settings.max_answer_words
    order = partial(_rank, seed)
    streams: list[Iterator[Question]] = []
    if settings.kind in ("recurring-span", "both"):
        streams.append(recurring_span_questions(passage, lexicon, max_answer_words=most, order=order, dropped=dropped))
    if settings.kind in ("cloze", "both"):
        defined = definition_questions(passage, lexicon, max_answer_words=most, dropped=dropped)
        asked = cloze_questions(passage, lexicon, max_answer_words=most, order=order, dropped=dropped)
        streams.append(_alternating([defined, asked]))
    for stream in streams:
        answers: set[str] = set()
        for question in stream:
            if question.answer.lower() in answers:
                dropped["question: another one on the passage has the same answer"] += 1
                continue
            answers.add(question.answer.lower())
            yield question
            if len(answers) == _MOST_OF_A_PASSAGE:
                break


def _chosen(
    candidates: Mapping[str, Sequence[Question]],
    wanted: int,
    unanswerable: float,
    passages: Sequence[Passage],
    seed: int,
    seen: set[str],
    dropped: Counter[str],
) -> list[Question]:
    """Returns ``wanted`` questions at most: the origins in turn, and of each the kinds of answers in turn.

    ``seen`` are the questions of the other side in lower case, so that none of train is asked again in dev.
    """
    queues = []
    for questions in candidates.values():
        ranked = sorted(questions, key=lambda question: _rank(seed, question.id))
        queues.append(_in_turn(ranked))
    unique: list[Question] = []
    for question in _alternating(queues):
        text = question.question.lower()
        if text in seen:
            dropped["question: asked before"] += 1
        else:
            seen.add(text)
            unique.append(question)
    enough = unique[:wanted]
    dropped["question: more than questions.count"] += len(unique) - len(enough)
    chosen = []
    for number, question in enumerate(enough):
        # Every so manieth: the share is exact, and all kinds are in it.
        if int((number + 1) * unanswerable) > int(number * unanswerable):
            elsewhere = put_elsewhere(question, passages, seed=seed, number=number)
            dropped["unanswerable question: no similar passage without the answer"] += elsewhere is None
            question = elsewhere or question
        chosen.append(question)
    return chosen


def _in_turn(questions: Iterable[Question]) -> Iterator[Question]:
    """Yields one question of each kind of answer, then the next of each, and so on; with and without its sentence."""
    kinds: dict[tuple[Kind, bool], list[Question]] = defaultdict(list)
    for question in questions:
        kinds[question.kind, question.is_apart].append(question)
    yield from _alternating([iter(kinds[kind]) for kind in sorted(kinds)])


def _alternating(queues: Iterable[Iterator[Question]]) -> Iterator[Question]:
    waiting = list(queues)
    while waiting:
        for queue in list(waiting):
            question = next(queue, None)
            if question is None:
                waiting.remove(queue)
            else:
                yield question


def _rank(seed: int, text: str) -> bytes:
    """Returns what a thing is ordered by: of the seed and its content alone."""
    return hashlib.sha256(f"{seed}/questions/{text}".encode("utf-8", "surrogatepass")).digest()
