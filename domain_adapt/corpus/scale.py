"""Preparing documents on more than one machine: the same work on parts, shared out by a ``datatrove`` executor.

The executors start processes (local), actors of a cluster (Ray) or jobs of a queue (Slurm); all of them need to see the
workspace's cache, where the parts are. What is done to a part, and how parts are brought together, is the code of
:mod:`domain_adapt.corpus.preparing`: so the same documents come out.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from domain_adapt.corpus.documents import Documents, load_documents
from domain_adapt.corpus.jobs import Job
from domain_adapt.corpus.part_file import PartFile
from domain_adapt.corpus.part_work import PartRules, Preparer
from domain_adapt.corpus.preparing import CorpusPlan, documents_folder, gather_documents, plan_work
from domain_adapt.corpus.workers import usable_processes
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

Executor = Literal["local", "ray", "slurm"]

# A part is read by one thread, and its largest document may be 64 MB before it is decoded.
_GIGABYTES = 2


@dataclass(frozen=True)
class SlurmOptions:
    """What Slurm wants to know of a job.

    Attributes:
        partition: Of the cluster.
        time: Limit of a task, as ``HH:MM:SS``.
    """

    partition: str
    time: str = "04:00:00"


@dataclass(frozen=True)
class PrepareParts:
    """A step of a pipeline: prepares every so many-th part that is not there yet."""

    rules: PartRules
    jobs: Sequence[Job]

    def __call__(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterable[Any]:
        """Does the parts of one rank and hands on what came in, which is nothing."""
        preparer = Preparer(self.rules)
        for job in self.jobs[rank::world_size]:
            if not PartFile(job.path).is_whole():
                preparer.prepare(job.part, job.path)
        return data or ()


@dataclass(frozen=True)
class GatherDocuments:
    """A step of a pipeline: brings the finished parts together."""

    plan: CorpusPlan
    workspace: Workspace
    name: str

    def __call__(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterable[Any]:
        """Writes the documents, on the first rank, and hands on what came in."""
        folder = documents_folder(self.workspace, self.name)
        if rank == 0 and not folder.is_dir():
            work = plan_work(self.plan, self.workspace)
            gather_documents(self.plan, work, self.name, folder)
        return data or ()


def prepare_at_scale(
    plan: CorpusPlan, workspace: Workspace, *, executor: Executor, tasks: int, slurm: SlurmOptions | None = None
) -> Documents | None:
    """Returns the documents that :func:`~domain_adapt.corpus.preparing.prepare_documents` would return.

    Args:
        plan: Sources and settings.
        workspace: On a file system that all machines see.
        executor: Processes of this machine, a Ray cluster (the one that ``RAY_ADDRESS`` names, or one started here),
            or Slurm, for which the jobs are handed in and None is returned.
        tasks: Into how many tasks the parts are divided.
        slurm: Partition and time; needed with Slurm.

    Raises:
        DomainAdaptError: If ``datatrove`` or the executor is not there, or a task fails.
    """
    _check(executor, slurm)
    workspace = Workspace(workspace.root.absolute())
    name = plan.fingerprint()
    folder = documents_folder(workspace, name)
    if folder.is_dir():
        return load_documents(folder)
    jobs = [job for work in plan_work(plan, workspace) for job in work.jobs]
    step = PrepareParts(plan.rules, jobs)
    logs = workspace.cache / "datatrove" / name[:16]
    shutil.rmtree(logs, ignore_errors=True)  # what is done is known by the parts themselves
    tasks = max(1, min(tasks, len(jobs)))
    if executor == "slurm":
        assert slurm is not None
        _hand_in(step, GatherDocuments(plan, workspace, name), tasks, logs, slurm)
        return None
    try:
        _run(executor, step, tasks, logs)
    except Exception as error:  # raised in another process, by one of three libraries
        raise DomainAdaptError(f"preparing parts with {executor}: {error}", hint=f"its log is in {logs}") from error
    GatherDocuments(plan, workspace, name)(None)
    return load_documents(folder)


def _check(executor: Executor, slurm: SlurmOptions | None) -> None:
    needed = ("datatrove", "ray") if executor == "ray" else ("datatrove",)
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        problem = f"--executor {executor}: not installed: {', '.join(missing)}"
        raise DomainAdaptError(problem, hint="pip install 'domain-adapt[scale]'")
    if executor == "slurm" and slurm is None:
        raise DomainAdaptError("--executor slurm: expected --slurm-partition", hint="`sinfo` lists them")
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise DomainAdaptError("--executor slurm: there is no sbatch here", hint="run it where jobs are handed in")


def _run(executor: Executor, step: PrepareParts, tasks: int, logs: Path) -> None:
    os.environ.setdefault("DATATROVE_COLORIZE_LOGS", "0")
    workers = min(tasks, usable_processes())
    if executor == "local":
        from datatrove.executor import LocalPipelineExecutor

        LocalPipelineExecutor(
            [step], tasks=tasks, workers=workers, logging_dir=str(logs), skip_completed=False, start_method="spawn"
        ).run()
        return
    import ray
    from datatrove.executor.ray import RayPipelineExecutor

    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    try:
        RayPipelineExecutor(
            [step], tasks=tasks, logging_dir=str(logs), skip_completed=False, mem_per_cpu_gb=_GIGABYTES
        ).run()
    finally:
        ray.shutdown()


def _hand_in(step: PrepareParts, gather: GatherDocuments, tasks: int, logs: Path, slurm: SlurmOptions) -> None:
    from datatrove.executor import SlurmPipelineExecutor

    options = {"time": slurm.time, "partition": slurm.partition, "mem_per_cpu_gb": _GIGABYTES}
    parts = SlurmPipelineExecutor(
        [step], tasks=tasks, job_name="domain-adapt-parts", logging_dir=str(logs / "parts"), **options
    )
    SlurmPipelineExecutor(
        [gather],
        tasks=1,
        job_name="domain-adapt-gather",
        logging_dir=str(logs / "gather"),
        depends=parts,
        **options,
    ).run()
