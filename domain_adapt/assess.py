"""Whether adapting a base to a domain is worth it, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from domain_adapt.bases import Base, resolve_base
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.profile import CorpusProfile
from domain_adapt.corpus.sampling import Sample
from domain_adapt.corpus.verdict import Figures, Verdict, judge
from domain_adapt.corpus_show import general_texts, show
from domain_adapt.doctor import examine
from domain_adapt.recipes import DomainRecipe
from domain_adapt.text_loss import MOST_TEXTS, loss_on_texts
from domain_adapt.training.progress import format_seconds
from domain_adapt.workspace import Workspace


@dataclass(frozen=True)
class Assessment:
    """Everything that was found.

    Attributes:
        domain: Name of its recipe.
        base: Which would be adapted.
        figures: What the verdict rests on.
        verdict: With reasons.
        profile: Of the corpus.
        run_tokens: That stage 1 will read, all passes counted.
        seconds: That stage 1 will take here, without preparing the text.
        tokens_per_second: Measured here.
        warnings: Sentences about this machine.
    """

    domain: str
    base: str
    figures: Figures
    verdict: Verdict
    profile: CorpusProfile
    run_tokens: int
    seconds: float
    tokens_per_second: float
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values; losses in nats a token."""
        return {
            "domain": self.domain,
            "base": self.base,
            "verdict": self.verdict.outcome,
            "reasons": [asdict(reason) for reason in self.verdict.reasons],
            "figures": asdict(self.figures),
            "run": {
                "tokens": self.run_tokens,
                "seconds": self.seconds,
                "tokens_per_second": self.tokens_per_second,
            },
            "overlaps": [asdict(overlap) for overlap in self.profile.overlaps],
            "warnings": list(self.warnings),
        }

    def cost(self) -> str:
        """Returns what stage 1 will take here, in words."""
        passes = self.run_tokens / max(1, self.figures.tokens)
        return (
            f"about {format_seconds(self.seconds)} on this machine: {self.run_tokens:,} tokens ({passes:.1f} passes "
            f"over the corpus) at {self.tokens_per_second:,.0f} tokens/s"
        )


def assess(
    domain: str,
    base: str | None = None,
    *,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Assessment:
    """Returns whether to adapt a base to a domain, with reasons; trains nothing, but prepares the corpus.

    Args:
        domain: Name of a recipe below ``corpora/``, or a path.
        base: ``mini``, a Hub id, a folder or a checkpoint; None: the recipe's, which is ``mini`` in ``quick``.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        workspace: Where recipes, tasks and cache are.

    Raises:
        DomainAdaptError: For anything the user can mend.
    """
    shown = show(domain, base=base, profile_name=profile, overrides=overrides, workspace=workspace)
    recipe, found = shown.recipe, shown.profile
    start = resolve_base(recipe.base, workspace=workspace, revision=recipe.base_revision or None)
    loss, general_loss = _losses(recipe, start, shown.documents) if start.has_lm_head else (None, None)
    general = found.overlaps[0]
    figures = Figures(
        tokens=found.total("tokens"),
        overlap=general.share,
        overlap_words=general.words,
        fertility=found.fertility,
        general_fertility=found.general_fertility,
        loss=loss,
        general_loss=general_loss,
    )
    diagnosis = examine(domain, base=base, profile=profile, overrides=overrides, workspace=workspace)
    run_tokens = diagnosis.tokens or _run_tokens(recipe, figures.tokens)
    speed = diagnosis.rehearsal.speed.tokens_per_second
    return Assessment(
        domain=recipe.name,
        base=start.name,
        figures=figures,
        verdict=judge(figures),
        profile=found,
        run_tokens=run_tokens,
        seconds=run_tokens / speed,
        tokens_per_second=speed,
        warnings=tuple(diagnosis.warnings),
    )


def _run_tokens(recipe: DomainRecipe, tokens: int) -> int:
    """Returns the tokens of a budget in epochs; what is held out is not trained on."""
    return round((recipe.budget.epochs or 0.0) * tokens * (1 - recipe.corpus.holdout))


def _losses(recipe: DomainRecipe, base: Base, documents: Documents) -> tuple[float, float]:
    """Returns the masked-LM loss of the base on the domain and on general English, nats a token."""
    sample = Sample(min(1.0, MOST_TEXTS / documents.statistics["documents"]), None)
    domain_texts = (text for number, text in enumerate(documents.texts()) if sample.has(number))
    general = islice(general_texts(), MOST_TEXTS)
    loss, general_loss = loss_on_texts(
        base, [domain_texts, general], block_size=recipe.corpus.block_size, runtime=recipe.runtime
    )
    return loss, general_loss
