"""Should one adapt at all? Figures in, a verdict in plain words out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaks = Literal["for", "against", "neither"]
Outcome = Literal["adapt", "adapt, but expect little", "do not adapt"]

FEW_TOKENS, TOO_FEW_TOKENS = 100_000, 10_000
FAR_OVERLAP, NEAR_OVERLAP = 0.35, 0.50
MORE_SUBWORDS = 0.10
HIGHER_LOSS = 0.10


@dataclass(frozen=True)
class Figures:
    """What a verdict rests on.

    Attributes:
        tokens: Of the corpus.
        overlap: Share of most frequent words in common with general English, in [0, 1].
        overlap_words: So many words of each were compared.
        fertility: Subwords a word on the domain.
        general_fertility: The same on general English; None where it was not measured.
        loss: Masked-LM loss of the base on the domain, nats a token; None if the base has no trained LM head.
        general_loss: The same on general English.
    """

    tokens: int
    overlap: float
    overlap_words: int
    fertility: float
    general_fertility: float | None = None
    loss: float | None = None
    general_loss: float | None = None


@dataclass(frozen=True)
class Reason:
    """What one figure says.

    Attributes:
        figure: Its name.
        value: With its unit.
        speaks: For adapting, against it, or neither.
        text: A sentence with the threshold in it.
    """

    figure: str
    value: str
    speaks: Speaks
    text: str


@dataclass(frozen=True)
class Verdict:
    """The outcome and why."""

    outcome: Outcome
    reasons: tuple[Reason, ...]


def judge(figures: Figures) -> Verdict:
    """Returns whether to adapt a base to a domain, with a reason for each figure.

    The gains of Gururangan et al. 2020 (arXiv 2004.10964) grow as the domain is farther from what the base was trained
    on: by the overlap of vocabularies (figure 2), news have 54 % in common with the base's text and gained little or
    nothing; reviews (35 %), biomedical (27 %) and computer science papers (19 %) gained more. By masked-LM loss
    (table 1), news were easier for the base than its own kind of text, and the other three harder by 0.13 nats and
    more. The thresholds are rules of thumb between those few points, and general English stands in for the base's text:

    * overlap: up to 35 % speaks for adapting, 50 % and more against;
    * loss: 0.1 nats above that of general English or more speaks for adapting, no higher loss at all against;
    * fertility: a tenth more subwords a word than in general English speaks for adapting, as the base has no words of
      its own for the domain's (Rust et al. 2021, arXiv 2012.15613, measure how that costs quality); fewer say nothing;
    * tokens: fewer than 100,000 speak against. That little text is what task-adaptive pretraining (section 4 of
      Gururangan et al.) works with, on the task's own text. Below 10,000, a handful of optimizer steps, nothing is
      learnt.

    Two figures against it, or too few tokens to learn from: do not adapt. One against it, or none for it: expect
    little.
    """
    reasons = [_tokens(figures), _overlap(figures), _fertility(figures), _loss(figures)]
    against = sum(reason.speaks == "against" for reason in reasons)
    outcome: Outcome = "adapt"
    if against >= 2 or figures.tokens < TOO_FEW_TOKENS:
        outcome = "do not adapt"
    elif against or not any(reason.speaks == "for" for reason in reasons):
        outcome = "adapt, but expect little"
    return Verdict(outcome, tuple(reasons))


def _tokens(figures: Figures) -> Reason:
    tokens = figures.tokens
    few: Speaks = "against" if tokens < FEW_TOKENS else "neither"
    if tokens < TOO_FEW_TOKENS:
        text = f"Fewer than {TOO_FEW_TOKENS:,} (rule of thumb): a handful of steps, from which nothing is learnt."
    elif tokens < FEW_TOKENS:
        text = (
            f"Fewer than {FEW_TOKENS:,} (rule of thumb): rather train on the text of your task (task-adaptive "
            "pretraining), or add text."
        )
    else:
        text = f"At least {FEW_TOKENS:,} (rule of thumb): enough to begin with; more is better."
    return Reason("tokens", f"{tokens:,} tokens", few, text)


def _overlap(figures: Figures) -> Reason:
    share = round(figures.overlap, 3)  # as it is shown
    if not figures.overlap_words:
        return Reason("overlap", "unknown", "neither", "There are no words to compare.")
    speaks: Speaks = "for" if share <= FAR_OVERLAP else "against" if share >= NEAR_OVERLAP else "neither"
    text = {
        "for": f"At most {FAR_OVERLAP:.0%}: far from general English, as the domains that gained most.",
        "against": f"At least {NEAR_OVERLAP:.0%}: about as near to general English as news, which gained little.",
        "neither": f"Between {FAR_OVERLAP:.0%} (far) and {NEAR_OVERLAP:.0%} (near): neither one nor the other.",
    }[speaks]
    return Reason("overlap", f"{share:.1%} of {figures.overlap_words:,} words", speaks, text)


def _fertility(figures: Figures) -> Reason:
    here, there = figures.fertility, figures.general_fertility
    if there is None:
        return Reason(
            "fertility", f"{here:.3f} subwords a word", "neither", "There is no general text to compare with."
        )
    more = round(here / there - 1, 3)
    speaks: Speaks = "for" if more >= MORE_SUBWORDS else "neither"
    compared = f"{abs(more):.1%} {'more' if more >= 0 else 'fewer'} than in general English"
    text = f"{compared}; from {MORE_SUBWORDS:.0%} more (rule of thumb) the base lacks words of the domain."
    return Reason("fertility", f"{here:.3f} subwords a word, {there:.3f} in general English", speaks, text)


def _loss(figures: Figures) -> Reason:
    here, there = figures.loss, figures.general_loss
    if here is None or there is None:
        text = "The base has no trained LM head, so its masked-LM loss would mean nothing and is not measured."
        return Reason("loss", "not measured", "neither", text)
    more = round(here - there, 3)
    speaks: Speaks = "for" if more >= HIGHER_LOSS else "against" if more <= 0 else "neither"
    text = {
        "for": f"Higher by {more:.3f}, at least {HIGHER_LOSS:g}: the domain's text is new to the base.",
        "against": "Not higher: the base predicts the domain's text as well as general English.",
        "neither": f"Higher by {more:.3f}, less than {HIGHER_LOSS:g}: about as hard as general English.",
    }[speaks]
    return Reason("loss", f"{here:.3f} nats a token, {there:.3f} in general English", speaks, text)
