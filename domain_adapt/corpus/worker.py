"""A process that prepares parts: ``python -m domain_adapt.corpus.worker``, spoken to through its standard streams.

Not ``multiprocessing``: its spawned children import the user's main module again, and its forked ones inherit the
threads of torch and the tokenizers. A worker ends when its standard input does, so it never outlives what started it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any

from domain_adapt.corpus.jobs import Failure, Job
from domain_adapt.corpus.part_work import PartRules, Preparer
from domain_adapt.errors import DomainAdaptError


def work(stream_in: Any, stream_out: Any) -> None:
    """Reads the rules and then jobs, and answers each with None or a :class:`Failure`, until the input ends."""
    rules: PartRules = pickle.load(stream_in)
    preparer = Preparer(rules)
    while True:
        try:
            job: Job = pickle.load(stream_in)
        except EOFError:
            return
        answer: Failure | None = None
        try:
            preparer.prepare(job.part, job.path)
        except DomainAdaptError as error:
            answer = Failure(error.message, error.hint, user=True)
        except Exception as error:  # told to the process that asked, which knows what to do with it
            answer = Failure(f"{job.part.name}: {type(error).__name__}: {error}", None, user=False)
        try:
            pickle.dump(answer, stream_out)
            stream_out.flush()
        except BrokenPipeError:  # whoever asked is gone; the part is done for the next one who does
            return


def main() -> None:
    """Works on the standard streams; what libraries print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    work(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
