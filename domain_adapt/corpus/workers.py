"""Preparing many parts at once, each in a process of its own."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from domain_adapt.corpus.jobs import Failure, Job
from domain_adapt.corpus.part_work import PartRules, Preparer
from domain_adapt.errors import DomainAdaptError

# Below it starting processes (half a second each, at most) costs more than they save.
_WORTHWHILE_BYTES = 8 << 20


def usable_processes() -> int:
    """Returns how many processes this one may run on at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare_parts(
    rules: PartRules,
    jobs: Sequence[Job],
    *,
    processes: int,
    on_done: Callable[[Job], None],
    is_enough: Callable[[], bool] = lambda: False,
) -> None:
    """Prepares the parts, in their order, on up to ``processes`` processes.

    Args:
        rules: What is done to every part.
        jobs: The parts, and where to write what is left of them.
        processes: 1 works in this process.
        on_done: Called in this thread after each part.
        is_enough: Asked before each part; parts in work are finished, the rest is left.

    Raises:
        DomainAdaptError: The first error that a part met; parts that are done stay.
    """
    processes = min(processes, len(jobs))
    if processes < 2 or sum(job.part.size for job in jobs) < _WORTHWHILE_BYTES:
        preparer = Preparer(rules)
        for job in jobs:
            if is_enough():
                return
            preparer.prepare(job.part, job.path)
            on_done(job)
        return
    _in_processes(rules, jobs, processes, on_done, is_enough)


def _in_processes(
    rules: PartRules,
    jobs: Sequence[Job],
    processes: int,
    on_done: Callable[[Job], None],
    is_enough: Callable[[], bool],
) -> None:
    answers: queue.SimpleQueue[tuple[_Process, Job, Any]] = queue.SimpleQueue()
    waiting = iter(jobs)
    started = [_Process(rules, answers) for _ in range(processes)]
    try:
        busy = sum(_give(process, waiting, is_enough) for process in started)
        while busy:
            process, job, answer = answers.get()
            busy -= 1
            if isinstance(answer, BaseException):
                raise DomainAdaptError(f"{job.part.name}: the process that read it ended", hint=_ENDED) from answer
            if isinstance(answer, Failure):
                if answer.user:
                    raise DomainAdaptError(answer.message, hint=answer.hint)
                raise RuntimeError(answer.message)
            on_done(job)
            busy += _give(process, waiting, is_enough)
    finally:
        for process in started:
            process.end()


_ENDED = "it may have run out of memory: fewer processes (--processes 1) need less"


def _give(process: _Process, waiting: Any, is_enough: Callable[[], bool]) -> bool:
    job = None if is_enough() else next(waiting, None)
    if job is not None:
        process.give(job)
    return job is not None


class _Process:
    """One worker process, and the thread that waits for its answers."""

    def __init__(self, rules: PartRules, answers: queue.SimpleQueue[Any]) -> None:
        command = [sys.executable, "-m", "domain_adapt.corpus.worker"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._answers = answers
        self._rules = rules
        threading.Thread(target=self._talk, daemon=True).start()

    def give(self, job: Job) -> None:
        self._jobs.put(job)

    def end(self) -> None:
        self._jobs.put(None)
        self._process.kill()  # a part in work is under a temporary name; finished ones have theirs
        self._process.wait()

    def _talk(self) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        said_rules = False
        while (job := self._jobs.get()) is not None:
            try:
                if not said_rules:
                    pickle.dump(self._rules, stdin)
                    said_rules = True
                pickle.dump(job, stdin)
                stdin.flush()
                answer = pickle.load(stdout)
            except Exception as error:  # a broken pipe, an answer cut short: the process is gone
                answer = error
            self._answers.put((self, job, answer))
