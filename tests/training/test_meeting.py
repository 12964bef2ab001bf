import socket
import threading
import time

import pytest
from torch.distributed import HashStore

from domain_adapt.errors import DomainAdaptError, EndedElsewhere, Stopped
from domain_adapt.training import meeting
from domain_adapt.training.meeting import Meeting, meet, wait_until_seen


@pytest.fixture
def become(monkeypatch):
    """``become(rank, of=2)`` puts this process into a run of several."""
    monkeypatch.setattr(meeting, "_GRACE", 0.1)
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.02)))
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")  # so that nobody waits for the last one to leave

    def join(rank, of=2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(of))

    return join


@pytest.fixture
def store():
    return HashStore()


def test_alone_nobody_is_waited_for_and_torch_is_not_needed():
    with meet() as alone:
        assert alone.from_main(lambda: {"a": 1}) == {"a": 1}
        assert alone.main_first(lambda: 2) == 2
        alone.check_same("x", "things")
        alone.tell("nobody")
        alone.join("cpu")
    with pytest.raises(DomainAdaptError, match="as it is"), meet():
        raise DomainAdaptError("as it is")


def test_what_rank_0_says_comes_in_order_and_its_work_is_done_once(become, store):
    become(0)
    main = Meeting(store)
    assert main.from_main(lambda: ["a", None]) == ["a", None]
    assert main.main_first(lambda: "main's own") == "main's own"
    main.check_same("same", "things")
    main.check_same("one", "recipe")
    become(1)
    other = Meeting(store)
    assert other.from_main(pytest.fail) == ["a", None]
    assert other.main_first(lambda: "other's own") == "other's own"
    other.check_same("same", "things")
    with pytest.raises(DomainAdaptError, match="its recipe differ from those of rank 0"):
        other.check_same("another", "recipe")


def test_others_wait_until_rank_0_has_done_its_work(become, store):
    """However long: no collective, and so no timeout, runs."""
    become(1)
    later = threading.Timer(0.3, store.set, ("told/1", '"ready"'))
    later.start()
    begun = time.monotonic()
    assert Meeting(store).hear() == "ready"
    assert time.monotonic() - begun >= 0.25
    later.join()


def failing(rank, become, store, error):
    """Returns what leaves the ``with`` block of a rank that meets ``error``."""
    become(rank)
    with pytest.raises(BaseException) as caught, Meeting(store):
        raise error
    return caught.value


def test_the_error_of_rank_0_is_told_by_it_and_ends_those_who_wait(become, store):
    error = DomainAdaptError("no space left")
    assert failing(0, become, store, error) is error
    become(1)
    with pytest.raises(EndedElsewhere) as ended, Meeting(store) as other:
        other.hear()
    assert ended.value.code == 2
    assert isinstance(failing(1, become, store, DomainAdaptError("no space left")), EndedElsewhere)


def test_the_error_of_another_rank_names_it_and_ends_rank_0_at_its_next_word(become, store):
    error = failing(1, become, store, DomainAdaptError("no such file"))
    assert error.message == f"rank 1 on {socket.gethostname()}: no such file"
    become(0)
    with pytest.raises(EndedElsewhere) as ended:
        Meeting(store).tell("corpus")
    assert ended.value.code == 2
    with pytest.raises(EndedElsewhere):
        Meeting(store).join("cpu")


def test_a_bug_keeps_its_traceback_on_one_rank(become, store):
    error = ValueError("a bug")
    assert failing(1, become, store, error) is error
    other = failing(0, become, store, RuntimeError("gloo: Connection closed by peer"))
    assert isinstance(other, EndedElsewhere) and other.code == 1


def test_a_lost_connection_that_nobody_explains_is_one_line(become, store):
    lost = RuntimeError("[.../gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:26300.")
    error = failing(0, become, store, lost)
    assert isinstance(error, DomainAdaptError) and error.__cause__ is lost
    assert error.message == "rank 0 lost the connection to another process of this run"


def test_interrupting_ends_all_ranks_with_130(become, store):
    interrupt = KeyboardInterrupt()
    assert failing(0, become, store, interrupt) is interrupt
    ended = failing(1, become, store, KeyboardInterrupt())
    assert isinstance(ended, EndedElsewhere) and ended.code == 130


def test_stopping_together_is_no_failure(become, store):
    stopped = Stopped(3, 9)
    assert failing(1, become, store, stopped) is stopped
    become(0)
    Meeting(store).tell()  # raises if a rank had failed


def test_living_processes_find_each_other_past_what_dead_ones_left_in_the_store(become, store, monkeypatch):
    """torchrun keeps its store when it starts its processes again."""
    store.set("call/1", "the word of a dead process")
    store.set("answer/the word of a dead process", "domain-adapt/old")
    own = threading.local()
    monkeypatch.setattr(meeting.ranks, "count", lambda: 3)
    monkeypatch.setattr(meeting.ranks, "rank", lambda: own.rank)
    monkeypatch.setattr(meeting.ranks, "is_main", lambda: own.rank == 0)
    found = {}

    def live(rank):
        own.rank = rank
        found[rank] = meeting._token(store)

    threads = [threading.Thread(target=live, args=(rank,)) for rank in (2, 0, 1)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 3 and len(set(found.values())) == 1 and found[0] != "domain-adapt/old"


def test_a_path_that_rank_0_wrote_is_waited_for_and_its_absence_explained(become, tmp_path, monkeypatch):
    assert wait_until_seen(tmp_path) == tmp_path
    become(1)
    monkeypatch.setattr(meeting, "_SECONDS_TO_APPEAR", 30.0)
    later = threading.Timer(0.2, (tmp_path / "late").mkdir)
    later.start()
    assert wait_until_seen(tmp_path / "late").is_dir()
    later.join()
    monkeypatch.setattr(meeting, "_SECONDS_TO_APPEAR", 0.1)
    with pytest.raises(DomainAdaptError) as caught:
        wait_until_seen(tmp_path / "never" / "made")
    assert caught.value.hint == "all machines must work in one shared folder"
