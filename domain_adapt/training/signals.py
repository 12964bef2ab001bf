"""Ctrl-C and SIGTERM as an event that the loop looks at between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from domain_adapt.training.ranks import count


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """Yields an event that SIGINT or SIGTERM sets; a second one interrupts at once.

    Not so on several ranks: there the terminal and the launcher both pass on the one Ctrl-C.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: object) -> None:
        if event.is_set() and count() == 1:
            raise KeyboardInterrupt
        event.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
