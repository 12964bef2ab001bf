"""How the processes of a run wait for each other outside of training: for a download, a corpus, a publication.

They speak through the key-value store that the launcher (or rank 0) serves, and not through collectives: rank 0 may
prepare for hours without running into a timeout, and who waits looks up every half second, so that a signal, or the
failure of another rank, reaches it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from domain_adapt.errors import DomainAdaptError, EndedElsewhere, Stopped
from domain_adapt.training import ranks

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

Value = TypeVar("Value")

_FAILED = "failed"
_START_TIMEOUT = timedelta(minutes=30)  # torch's default for the first contact
_LONGEST_PAUSE = 0.5  # seconds between two looks
_GRACE = 3.0  # seconds for the rank that knows the cause to speak first
# A shared disk may show a new file late: NFS keeps a folder's listing for up to 60 seconds (nfs(5), acdirmax).
_SECONDS_TO_APPEAR = 120.0
_LOST = re.compile(r"gloo|NCCL|Connection (closed|reset|refused)|Broken pipe", re.IGNORECASE)


class Meeting:
    """The ranks of one call of a stage; a context manager that brings the failure of one to all. Made by :func:`meet`.

    Args:
        store: Shared by the ranks and used by nothing else; None: this process is alone.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._told = 0

    def __enter__(self) -> Meeting:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is None or isinstance(error, EndedElsewhere):
            return
        if error is None or isinstance(error, Stopped):
            ranks.leave()
            self._part(self._store, patience=60.0)
            return
        self._fail(self._store, error)

    def join(self, device: str) -> None:
        """Makes the process group in which the ranks train, once all are there.

        Raises:
            EndedElsewhere: If another rank failed.
        """
        store = self._store
        if store is not None:
            from torch.distributed.distributed_c10d import PrefixStore

            store.add("ready", 1)
            self._wait(store, lambda: store.add("ready", 0) >= ranks.count())
            ranks.join(device, PrefixStore("group", store))

    def tell(self, value: Any = None) -> None:
        """Ends the wait of the other ranks in :meth:`hear`; rank 0 calls it, with a value that JSON keeps as it is.

        Raises:
            EndedElsewhere: If another rank failed.
        """
        self._told += 1
        if self._store is not None:
            self._wait(self._store, lambda: True)
            self._store.set(f"told/{self._told}", json.dumps(value))

    def hear(self) -> Any:
        """Returns what rank 0 tells, however long it takes.

        Raises:
            EndedElsewhere: If another rank failed.
        """
        self._told += 1
        store, key = self._store, f"told/{self._told}"
        assert store is not None
        self._wait(store, lambda: store.check([key]))
        return json.loads(store.get(key))

    def from_main(self, work: Callable[[], Value]) -> Value:
        """Returns what ``work`` returns on rank 0 (something that JSON keeps as it is); no other rank does it."""
        if not ranks.is_main():
            heard: Value = self.hear()
            return heard
        value = work()
        self.tell(value)
        return value

    def main_first(self, work: Callable[[], Value]) -> Value:
        """Returns what ``work`` returns on this rank; rank 0 works first, so that the others find the disk prepared."""
        if not ranks.is_main():
            self.hear()
            return work()
        value = work()
        self.tell()
        return value

    def check_same(self, value: str, what: str) -> None:
        """Compares ``value`` with rank 0's.

        Raises:
            DomainAdaptError: If they differ.
        """
        if self.from_main(lambda: value) != value:
            raise DomainAdaptError(
                f"its {what} differ from those of rank 0",
                hint="all machines need the same recipes, files and packages: work in one shared folder",
            )

    def _wait(self, store: Store, has_happened: Callable[[], bool]) -> None:
        pause = 0.01
        while True:
            if store.check([_FAILED]):
                raise self._ended(store)
            if has_happened():
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _part(self, store: Store, patience: float) -> None:
        """Says that this rank needs the store no more; rank 0 waits for the others where it serves the store itself."""
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            return
        store.add("parted", 1)
        deadline = time.monotonic() + patience
        while ranks.is_main() and store.add("parted", 0) < ranks.count() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _ended(self, store: Store) -> EndedElsewhere:
        """Returns what to raise when another rank has failed, after the time that it needs to say why."""
        code = int(store.get(_FAILED).split()[1])
        self._part(store, patience=0.0)
        time.sleep(1.0)  # launchers report the process that ends first
        return EndedElsewhere(code)

    def _fail(self, store: Store, error: BaseException) -> None:
        """Ends the other ranks, and this one without a word if another has said why.

        Raises:
            EndedElsewhere: If another rank says why.
            DomainAdaptError: In place of an error that only says that another process is gone.
        """
        code = 2 if isinstance(error, DomainAdaptError) else 130 if isinstance(error, KeyboardInterrupt) else 1
        lost = isinstance(error, RuntimeError) and bool(_LOST.search(str(error)))
        # An error that all ranks run into is rank 0's to tell; a lost connection is told by the rank that caused it.
        deadline = time.monotonic() + (0.0 if code == 130 or (ranks.is_main() and not lost) else _GRACE)
        try:
            while time.monotonic() < deadline and not store.check([_FAILED]):
                time.sleep(0.05)
            mine = f"{ranks.rank()} {2 if lost else code}"
            if store.compare_set(_FAILED, "", mine) != mine.encode():
                raise self._ended(store) from error
            ranks.abandon()
            self._part(store, patience=5.0)
        except RuntimeError:  # the store is gone, and with it rank 0, which served it
            if not ranks.is_main():
                raise EndedElsewhere(code) from error
        if lost:
            raise DomainAdaptError(
                f"rank {ranks.rank()} lost the connection to another process of this run",
                hint="the same command goes on from the last saved state",
            ) from error
        if isinstance(error, DomainAdaptError) and not ranks.is_main():
            error.message = f"rank {ranks.rank()} on {socket.gethostname()}: {error.message}"


def meet() -> Meeting:
    """Returns the meeting of the processes that the launcher has started; alone, a meeting of one.

    From then on rank 0 alone logs; the others log errors only. Imports torch only if there are others.
    """
    if ranks.count() == 1:
        return Meeting()
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    if not ranks.is_main():  # one speaks for all
        logging.getLogger("domain_adapt").setLevel(logging.ERROR)
    store, _, _ = next(rendezvous("env://", timeout=_START_TIMEOUT))
    return Meeting(PrefixStore(_token(store), store))


def _token(store: Store) -> str:
    """Returns a word that only the living processes share.

    A launcher that starts its processes again keeps the store with what the dead ones wrote, and counts restarts
    differently on each machine. So each rank calls with a word of its own until rank 0 answers that very word.
    """
    deadline = time.monotonic() + _START_TIMEOUT.total_seconds()
    if ranks.is_main():
        token = f"domain-adapt/{secrets.token_hex(8)}"
        calls = {f"call/{number}" for number in range(1, ranks.count())}
        for key in calls:
            store.delete_key(key)
        while store.add(f"{token}/here", 0) < ranks.count() - 1:
            for key in calls:
                if store.check([key]):
                    store.set(f"answer/{store.get(key).decode()}", token)
                    store.delete_key(key)
            _look_again(deadline)
        return token
    word = secrets.token_hex(8)
    while not store.check([f"answer/{word}"]):
        store.set(f"call/{ranks.rank()}", word)
        _look_again(deadline)
    token = store.get(f"answer/{word}").decode()
    store.add(f"{token}/here", 1)
    return token


def _look_again(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise DomainAdaptError("the processes of this run did not find each other", hint="see the launcher's output")
    time.sleep(0.05)


def wait_until_seen(path: Path) -> Path:
    """Returns ``path`` when this process sees it; rank 0 has written it.

    Raises:
        DomainAdaptError: If it does not appear.
    """
    deadline = time.monotonic() + (_SECONDS_TO_APPEAR if ranks.count() > 1 else 0.0)
    while not path.exists():
        if time.monotonic() > deadline:
            raise DomainAdaptError(
                f"{path} is not there, though rank 0 has written it",
                hint="all machines must work in one shared folder",
            )
        time.sleep(_LONGEST_PAUSE)
        if path.parent.is_dir():
            os.listdir(path.parent)  # makes NFS look again
    return path
