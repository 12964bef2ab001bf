"""The corpus of a domain: what its recipe asks for, planned and prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from domain_adapt.bases import resolve_base
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.filters.contamination import evaluation_ngrams
from domain_adapt.corpus.mixing import Share
from domain_adapt.corpus.preparing import CorpusPlan, PartProgress, prepare_documents
from domain_adapt.corpus.sources import Source, documents_of, open_source
from domain_adapt.corpus.sources.texts import Texts
from domain_adapt.errors import DomainAdaptError
from domain_adapt.evaluation_texts import evaluation_texts, task_texts
from domain_adapt.recipes import (
    DomainRecipe,
    FilesSource,
    HubSource,
    Recipe,
    SourceSpec,
    TaskSource,
    load_domain,
    load_task,
)
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace


def corpus_plan(recipe: Recipe[DomainRecipe], workspace: Workspace) -> CorpusPlan:
    """Returns everything that decides the corpus of a recipe; reads evaluation data and targets, but no source.

    Raises:
        DomainAdaptError: If there is nothing to read: no such file, package, data set or task.
    """
    values, settings = recipe.values, recipe.values.corpus
    specs = list(values.sources)
    shares = [Share(spec.weight, spec.max_tokens) for spec in specs]
    if settings.replay:
        specs.append(settings.replay_source)
        shares.append(Share(None, settings.replay_source.max_tokens, settings.replay))
    ngrams = None
    if settings.decontaminate.against:
        against = evaluation_texts(settings.decontaminate.against, folder=recipe.folder, workspace=workspace)
        ngrams = evaluation_ngrams(against, settings.decontaminate.ngram)
    select = settings.select
    similar = select.by == "similarity"
    return CorpusPlan(
        sources=[_source(spec, recipe.folder, workspace) for spec in specs],
        settings=settings,
        shares=shares,
        max_documents=[spec.max_documents if isinstance(spec, HubSource) else None for spec in specs],
        ngrams=ngrams,
        targets=_targets(select.to, recipe.folder, workspace) if select.by != "none" else (),
        base_folder=resolve_base("mini", workspace=workspace, revision=None).folder if similar else None,
    )


def open_documents(
    domain: str,
    *,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    processes: int = 0,
    workspace: Workspace = Workspace(),
) -> Documents:
    """Returns the prepared documents of a domain; prepares them if that was not done before.

    Args:
        domain: Name of a recipe below ``corpora/``, or a path to a folder with a ``domain.toml``.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        processes: Processes that read the sources; 0 is as many as this one may run on.
        workspace: Where recipes and cache are.

    Raises:
        DomainAdaptError: For anything the user can mend.
    """
    plan = domain_plan(domain, profile=profile, overrides=overrides, workspace=workspace)
    with reading() as progress:
        return prepare_documents(plan, workspace, processes=processes, on_progress=progress)


def domain_plan(
    domain: str, *, profile: str = "quick", overrides: Sequence[str] = (), workspace: Workspace = Workspace()
) -> CorpusPlan:
    """Returns the plan of a domain's corpus; arguments and errors are those of :func:`open_documents`."""
    recipe = load_domain(domain, profile=profile, overrides=overrides, workspace=workspace)
    return corpus_plan(recipe, workspace)


@contextmanager
def reading() -> Iterator[Callable[[PartProgress], None]]:
    """Yields what shows how far :func:`prepare_documents` is, in bytes where the sizes of the parts are known."""
    with meter("reading the corpus") as progress:

        def show(done: PartProgress) -> None:
            if done.step:
                progress.begin(done.step, done.documents)
                progress.update(done.documents_done)
                return
            parts = f"{done.parts_done:,} of {done.parts:,} parts"
            if done.bytes:
                progress.expect(done.bytes)
                progress.update(done.bytes_done, f"{done.bytes_done / 1e6:,.1f} MB, {parts}")
            else:
                progress.update(done.parts_done, parts)

        yield show


def _source(spec: SourceSpec, folder: Path, workspace: Workspace) -> Source:
    if not isinstance(spec, TaskSource):
        return open_source(spec, folder)
    # What is evaluated on is not trained on, not even without its labels.
    texts = list(task_texts(spec.name, ("train",), domain=spec.domain, workspace=workspace))
    data = load_task(spec.name, workspace=workspace).values.data
    entry = data.get(spec.domain or next(iter(data), ""))
    return Texts(texts, Path(spec.name).name, entry.licence if entry else "unknown")


def _targets(to: str, folder: Path, workspace: Workspace) -> list[str]:
    """Returns the texts that selected documents are to be like."""
    if to.startswith("task:"):
        return list(task_texts(to.removeprefix("task:"), workspace=workspace))
    texts = [document.text for document in documents_of(open_source(FilesSource(path=to), folder))]
    if not texts:
        raise DomainAdaptError(f"corpus.select.to: no text in {to}")
    return texts
