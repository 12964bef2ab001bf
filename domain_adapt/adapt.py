"""Stage 1: continue masked-language-model pretraining of a base on the text of a domain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from domain_adapt.adapting_text import describe_corpus, prepare_text
from domain_adapt.bases import Base, check_block_size, load_masked_lm, load_tokenizer, resolve_base
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.corpora import corpus_plan
from domain_adapt.corpus.preparing import CorpusPlan
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import DomainRecipe, Recipe, corpus_recipe, load_domain, load_task, task_corpus_recipe
from domain_adapt.stages import (
    Publication,
    Run,
    await_publication,
    base_assignments,
    existing_checkpoint,
    open_run,
    publish,
    stage_fingerprint,
)
from domain_adapt.training.meeting import Meeting, meet
from domain_adapt.training.ranks import is_main, place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)


def adapt(
    domain: str | None = None,
    *,
    corpus: Sequence[str | Path] = (),
    task: str | None = None,
    name: str | None = None,
    base: str | None = None,
    profile: str = "quick",
    text_field: str = "text",
    overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Adapts a base to a domain and returns the published checkpoint.

    The same inputs again return the existing checkpoint; a killed run goes on where its last saved state is. Under
    ``accelerate launch`` or ``torchrun`` every process calls it with the same arguments, and all get the checkpoint.

    Args:
        domain: Name of a recipe below ``corpora/``, or a path to a folder with a ``domain.toml``.
        corpus: Instead of a recipe: files, folders or globs of text.
        task: Adapts to the unlabelled training texts of a task (task-adaptive pretraining, Gururangan et al. 2020).
            With ``domain`` the base is adapted to the domain first, and the result of that to the task.
        name: Name of the checkpoint; needed with ``corpus``, else the recipe's name.
        base: Overrides the recipe's starting weights.
        profile: Profile of the recipe.
        text_field: With ``corpus``: field or column that holds the text.
        overrides: ``key=value`` assignments laid over the recipe.
        force: Train even though the checkpoint exists.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, text, base, disk.
        EndedElsewhere: If another process of this run failed and says why.
    """
    if task is not None:
        if corpus:
            raise DomainAdaptError("--task with --corpus", hint="adapt to the corpus, then: --task ... --base NAME")
        if domain is not None:
            first = adapt(domain, base=base, profile=profile, overrides=overrides, force=force, workspace=workspace)
            base, profile = first.ref, "quick"
            name = name or f"{first.name}-{Path(task).name}-texts"
    with meet() as meeting:
        recipe, subject = _recipe(domain, corpus, task, name, base, profile, text_field, overrides, workspace)
        values = recipe.values
        plan = corpus_plan(recipe, workspace)
        start = meeting.main_first(
            lambda: resolve_base(values.base, workspace=workspace, revision=values.base_revision or None)
        )
        return adapt_with(recipe, subject, start, plan, meeting, force, workspace)


def adapt_with(
    recipe: Recipe[DomainRecipe],
    subject: str,
    start: Base,
    plan: CorpusPlan,
    meeting: Meeting,
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Does :func:`adapt` with a recipe, the domain of its text and a base that are at hand; other errors are its."""
    values = recipe.values
    # The sources are read by rank 0 alone; the other ranks compare what else decides the result.
    meeting.check_same(adapt_fingerprint(values, start, None), "recipe, base or package")
    fingerprint = meeting.from_main(lambda: adapt_fingerprint(values, start, plan))
    existing = existing_checkpoint(values.name, fingerprint, workspace, meeting)
    if existing is not None and not force:
        logger.info("%s is up to date: %s", existing.ref, existing.folder)
        return existing
    fresh = existing is not None
    with open_run("adapt", fingerprint, workspace, fresh=fresh, meeting=meeting) as run:
        return _train_and_publish(recipe, subject, start, plan, run, workspace)


def adapt_fingerprint(recipe: DomainRecipe, base: Base, plan: CorpusPlan | None) -> str:
    """Returns the SHA-256 of everything that decides the result of stage 1, without the text if there is no plan."""
    # Where text and weights lie is replaced by what they contain, so a moved folder is still the same corpus.
    values = recipe.model_dump(
        exclude={"runtime", "description", "name", "base", "base_revision", "sources", "questions"}
    )
    return stage_fingerprint("adapt", values, base, [] if plan is None else [plan.fingerprint()])


def _recipe(
    domain: str | None,
    corpus: Sequence[str | Path],
    task: str | None,
    name: str | None,
    base: str | None,
    profile: str,
    text_field: str,
    overrides: Sequence[str],
    workspace: Workspace,
) -> tuple[Recipe[DomainRecipe], str]:
    """Returns the recipe and the domain of its text; the arguments are those of :func:`adapt`."""
    assignments = [*overrides, *base_assignments(base)]
    if task is not None:
        return _task_recipe(task, domain, name, assignments, workspace)
    if corpus and domain is None:
        if name is None:
            raise DomainAdaptError("--corpus needs a name for the checkpoint", hint="add --name my-domain")
        recipe = corpus_recipe(corpus, name, text_field=text_field, overrides=assignments)
        subject = recipe.values.name
    elif domain is not None and not corpus:
        recipe = load_domain(domain, profile=profile, overrides=assignments, workspace=workspace)
        subject = recipe.values.name
        if name is not None:  # another name for the checkpoint; its domain, and so its labelled data, stay the same
            assignments.append(f'name="{name}"')
            recipe = load_domain(domain, profile=profile, overrides=assignments, workspace=workspace)
    else:
        raise DomainAdaptError(
            "expected a domain, or --corpus with --name", hint="`domain-adapt recipes` lists the domains"
        )
    return recipe, subject


def _task_recipe(
    task: str, domain: str | None, name: str | None, assignments: Sequence[str], workspace: Workspace
) -> tuple[Recipe[DomainRecipe], str]:
    """Returns a recipe over the texts of a task, and the domain of its labelled data."""
    known = load_task(task, workspace=workspace).values.data
    if domain is not None:
        domain = load_domain(domain, workspace=workspace).values.name
    of = domain if domain in known else next(iter(known), None)
    recipe = task_corpus_recipe(task, name or f"{Path(task).name}-texts", domain=of, overrides=assignments)
    return recipe, of or recipe.values.name


def _train_and_publish(
    recipe: Recipe[DomainRecipe], subject: str, base: Base, plan: CorpusPlan, run: Run, workspace: Workspace
) -> Checkpoint:
    from domain_adapt.corpus.prepare import special_ids
    from domain_adapt.mlm.masking import masking_vocabulary, words_for
    from domain_adapt.mlm.new_head import start_head
    from domain_adapt.mlm.sparse_head import SparseHead
    from domain_adapt.pretraining import Pretraining, heldout, train, training_flops
    from domain_adapt.training.runtime import detect
    from domain_adapt.vocabulary.rows import grow_rows

    values = recipe.values
    runtime = detect(values.runtime, run.folder)
    place(runtime.device)
    logger.info("adapting %s to %s on %s, %s", base.name, values.name, runtime.device, runtime.precision)
    model = load_masked_lm(base)
    check_block_size(values.corpus.block_size, model.config)
    words = words_for(values.mlm, load_tokenizer(base.folder))  # what masking cannot do is said before text is read
    text = prepare_text(values, plan, base, run, workspace)
    tokenizer, corpus, vocabulary = text.tokenizer, text.corpus, text.vocabulary
    if vocabulary is not None:
        grow_rows(model, vocabulary.first, [term.pieces for term in vocabulary.terms])
        words = words_for(values.mlm, tokenizer)
    run.meeting.join(runtime.device)
    _, sep_id, pad_id = special_ids(tokenizer)
    stage = Pretraining(model, SparseHead(model), corpus, masking_vocabulary(tokenizer), sep_id, pad_id, runtime, words)
    metrics: dict[str, float] = {}
    new_head: list[str] = []
    if base.has_lm_head:
        metrics = heldout("before", stage)
    else:
        logger.info("%s has no trained LM head, so its loss before training would mean nothing", base.name)
        new_head = start_head(model, corpus.unigram_counts)
    totals = train(values, stage, new_head, run)
    metrics |= heldout("after", stage)
    metrics |= totals.metrics()
    if not is_main():
        return await_publication(run, workspace)
    metrics["train/flops"] = training_flops(values, stage, totals)
    extra_files: dict[str, bytes] = {}
    if vocabulary is not None:
        metrics |= vocabulary.figures()
        extra_files["added_terms.tsv"] = vocabulary.listing().encode("utf-8")
    publication = Publication(
        name=values.name,
        stage="adapt",
        domain=subject,
        task=None,
        profile=recipe.profile,
        recipe=values,
        base=base,
        corpus=describe_corpus(corpus),
        metrics=metrics,
        folder=recipe.folder,
    )
    return publish(publication, model, tokenizer, run, runtime, workspace, extra_files)
