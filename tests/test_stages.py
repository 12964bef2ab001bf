import errno
import os

import pytest

from domain_adapt.bases import resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.stages import base_assignments, open_run, stage_fingerprint
from domain_adapt.workspace import Workspace

FINGERPRINT = "0123456789abcdef" * 4


def start(workspace, fresh=False):
    return open_run("adapt", FINGERPRINT, workspace, fresh=fresh)


def test_a_run_folder_is_removed_after_success(tmp_path):
    with start(Workspace(tmp_path)) as run:
        assert run.folder == tmp_path / "runs" / "adapt-0123456789abcdef" and run.folder.is_dir()
        (run.folder / "state").write_text("x")
    assert not run.folder.exists()


def test_a_run_folder_stays_after_a_failure_unless_a_fresh_one_is_asked_for(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(RuntimeError, match="power cut"), start(workspace) as run:
        (run.folder / "state").write_text("x")
        raise RuntimeError("power cut")
    with pytest.raises(KeyboardInterrupt), start(workspace) as run:
        assert (run.folder / "state").read_text() == "x"
        raise KeyboardInterrupt
    with start(workspace, fresh=True) as run:
        assert list(run.folder.iterdir()) == []


def test_two_at_once_on_one_run(tmp_path):
    workspace = Workspace(tmp_path)
    with start(workspace) as run:
        (run.folder / "state").write_text("x")
        with pytest.raises(DomainAdaptError) as caught, start(workspace, fresh=True):
            pass
        assert caught.value.message == f"{run.folder}: another process is at work on this run"
        assert (run.folder / "state").exists()  # the other one's work is left alone
        with open_run("finetune", FINGERPRINT, workspace, fresh=False):
            pass
    with start(workspace):  # and free again
        pass


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left on device: "),
        (errno.EDQUOT, "no space left on device: "),
        (errno.EFBIG, "a file would be larger than the file system or `ulimit -f` allows"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "no permission to write"),
    ],
)
def test_what_the_disk_refuses_is_one_line(tmp_path, number, message):
    with pytest.raises(DomainAdaptError, match=message) as caught, start(Workspace(tmp_path)):
        raise OSError(number, os.strerror(number))
    assert caught.value.message.endswith("nothing was published")
    with pytest.raises(DomainAdaptError, match=message), start(Workspace(tmp_path)):
        try:
            raise RuntimeError(f"I/O error: (os error {number})")  # as safetensors and tokenizers say it
        except RuntimeError as error:
            raise ValueError("cannot save") from error


def test_other_errors_keep_their_traceback(tmp_path):
    with pytest.raises(OSError, match="Bad file"), start(Workspace(tmp_path)):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def test_a_run_lock_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    def refuse(self, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("domain_adapt.stages.FileLock.acquire", refuse)
    with (
        pytest.raises(DomainAdaptError, match="read-only file system; nothing was started"),
        start(Workspace(tmp_path)),
    ):
        pass


def test_a_base_the_user_names_takes_the_recipes_revision_away():
    assert base_assignments(None) == []
    assert base_assignments('a "b"') == ['base="a \\"b\\""', 'base_revision=""']


def test_the_fingerprint_is_over_stage_recipe_base_and_data(tiny_model_folder, tmp_path):
    base = resolve_base(str(tiny_model_folder), workspace=Workspace(tmp_path))
    found = {
        stage_fingerprint("adapt", {"seed": 0, "mlm": {"a": 1, "b": 2}}, base, ["x", "y"]),
        stage_fingerprint("finetune", {"seed": 0, "mlm": {"a": 1, "b": 2}}, base, ["x", "y"]),
        stage_fingerprint("adapt", {"seed": 1, "mlm": {"a": 1, "b": 2}}, base, ["x", "y"]),
        stage_fingerprint("adapt", {"seed": 0, "mlm": {"a": 1, "b": 2}}, base, ["y", "x"]),
    }
    assert len(found) == 4 and all(len(one) == 64 for one in found)
    assert stage_fingerprint("adapt", {"mlm": {"b": 2, "a": 1}, "seed": 0}, base, ["x", "y"]) in found
