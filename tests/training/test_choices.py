import json
import logging

import pytest

from domain_adapt.training.choices import settle


def never():
    raise AssertionError("a new choice was made")


def test_a_choice_is_made_once_and_kept(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert settle(tmp_path, "threads", choose=lambda: 4) == 4
    assert settle(tmp_path, "threads", choose=never) == 4
    assert settle(tmp_path, "compile", choose=lambda: False) is False
    assert settle(tmp_path, "compile", choose=never) is False
    assert json.loads((tmp_path / "machine.json").read_text()) == {"threads": 4, "compile": False}
    assert caplog.text == ""


def test_what_the_recipe_says_wins_and_is_said_once(tmp_path, caplog):
    settle(tmp_path, "precision", choose=lambda: "bf16")
    assert settle(tmp_path, "precision", given="fp32", choose=never) == "fp32"
    assert settle(tmp_path, "precision", given="fp32", choose=never) == "fp32"
    (line,) = caplog.messages
    assert line.startswith("this run had precision = bf16 until now and goes on with fp32: ")
    assert settle(tmp_path, "precision", choose=never) == "fp32"  # leaving the key out again changes nothing


def test_a_choice_that_is_no_longer_possible_is_made_anew(tmp_path, caplog):
    settle(tmp_path, "threads", choose=lambda: 8)
    assert settle(tmp_path, "threads", choose=lambda: 2, possible=lambda threads: threads <= 2) == 2
    assert "threads = 8 until now and goes on with 2" in caplog.text
    assert json.loads((tmp_path / "machine.json").read_text()) == {"threads": 2}


def test_without_a_run_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settle(None, "threads", choose=lambda: 2) == 2
    assert settle(None, "threads", given=3, choose=never) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_file_is_written_anew(tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    assert settle(tmp_path, "threads", choose=lambda: 2) == 2
    assert json.loads((tmp_path / "machine.json").read_text()) == {"threads": 2}


def test_every_rank_has_a_file_of_its_own(tmp_path, monkeypatch):
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        assert settle(tmp_path, "threads", choose=lambda rank=rank: rank + 1) == rank + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["machine-1.json", "machine.json"]
