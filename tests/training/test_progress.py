import io
import logging
import sys
import time

import pytest

from domain_adapt.training.progress import format_seconds, meter


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it: ``clock[0] += 60``."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    return lambda: [record.getMessage() for record in caplog.records]


def test_one_line_a_minute_where_stderr_is_no_terminal(clock, lines, capsys):
    with meter("adapting", 200) as progress:
        for done in range(0, 201):
            progress.update(done, f"loss {done}")
            clock[0] += 1
    assert lines() == [
        "adapting: 60 of 200 (30%), ETA 2 min 20 s, loss 60",
        "adapting: 120 of 200 (60%), ETA 1 min 20 s, loss 120",
        "adapting: 180 of 200 (90%), ETA 20 s, loss 180",
    ]
    assert capsys.readouterr().out == ""


def test_short_work_says_nothing(clock, lines):
    with meter("reading", 10) as progress:
        for done in range(11):
            progress.update(done)
            clock[0] += 5.9
    assert lines() == []


def test_what_a_run_did_before_it_was_resumed_does_not_count_for_the_eta(clock, lines):
    with meter("adapting", 1000) as progress:
        progress.update(900)
        clock[0] += 60
        progress.update(950)
    assert lines() == ["adapting: 950 of 1,000 (95%), ETA 1 min 0 s"]


def test_unknown_totals_and_no_progress_yet(clock, lines):
    with meter("reading") as progress:
        clock[0] += 61
        progress.update(12345, "2 files")
    with meter("adapting", 10) as progress:
        clock[0] += 61
        progress.update(0)
    assert lines() == ["reading: 12,345, 2 files", "adapting: 0 of 10 (0%), ETA unknown"]


def test_a_terminal_gets_a_bar_on_stderr(monkeypatch, lines):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with meter("adapting", 4) as progress:
        progress.update(2, "loss 3.5")
    assert "adapting" in terminal.getvalue() and "loss 3.5" in terminal.getvalue() and "50%" in terminal.getvalue()
    assert lines() == []


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (75.2, "1 min 15 s"),
        (3599.7, "1 h 0 min"),
        (7384, "2 h 3 min"),
        (float("nan"), "unknown"),
    ],
)
def test_format_seconds(seconds, shown):
    assert format_seconds(seconds) == shown


def test_another_piece_of_work_counts_from_its_own_beginning(clock, lines):
    with meter("reading", 10) as progress:
        progress.update(10)
        clock[0] += 100
        progress.begin("writing", 200)
        for done in range(0, 101):
            progress.begin("writing", 200)  # said again, it changes nothing
            progress.update(done)
            clock[0] += 1
    assert lines() == ["writing: 0 of 200 (0%), ETA unknown", "writing: 60 of 200 (30%), ETA 2 min 20 s"]
