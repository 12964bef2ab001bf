import importlib
import json
import logging
import os
import random
import sys

import pytest


@pytest.fixture
def refused(run):
    """``refused(project, "adapt", ...)`` asserts one error line, exit code 2, nothing published; returns the lines."""

    def refused(project, *arguments):
        before = project.published
        code, out, err = run(project, *arguments)
        # What the library logs goes elsewhere in this process: the lines that main() prints are all there is.
        lines = [line for line in err.splitlines() if "it/s]" not in line]
        assert code == 2, err
        assert lines and lines[0].startswith("error: ") and len(lines) <= 2, err
        assert len(lines) == 1 or lines[1].startswith("hint: ")
        assert "Traceback" not in err and out == ""
        assert project.published == before
        assert [path.name for path in project.workspace.checkpoints.glob(".staging-*")] == []
        return lines[0].removeprefix("error: "), (lines[1:] or [""])[0].removeprefix("hint: ")

    return refused


def corpus(refused, project, path, *arguments):
    """Refuses ``adapt --corpus path``."""
    base = (project.root / "corpora" / "heart" / "domain.toml").read_text().split('base = "')[1].split('"')[0]
    return refused(project, "adapt", "--corpus", str(path), "--name", "mine", "--base", base, *arguments)


def test_unknown_domain(refused, project):
    assert refused(project, "adapt", "haert") == ("unknown domain 'haert'; known: heart", "did you mean 'heart'?")


def test_typo_in_a_recipe_key(refused, project):
    path = project.root / "corpora" / "heart" / "domain.toml"
    path.write_text(path.read_text().replace("learning_rate", "learning_rat"))
    expected = ("corpora/heart/domain.toml: unknown key mlm.learning_rat", "did you mean 'learning_rate'?")
    assert refused(project, "adapt", "heart")[0].replace(" (profile quick)", "") == expected[0]
    assert refused(project, "adapt", "heart")[1] == expected[1]
    message, _ = refused(project, "finetune", "qa", "--from", "base", "--set", "finetune.epochs=3")
    assert message == "tasks/qa/task.toml with --set: unknown key finetune.epochs"


def test_empty_corpus_folder(refused, project):
    for path in project.texts.iterdir():
        path.unlink()
    message, hint = refused(project, "adapt", "heart")
    assert message == "texts: no file to read in this folder" and ".jsonl" in hint
    (project.texts / "scan.xyz").write_bytes(b"%PDF")
    assert "(1 with other suffixes)" in refused(project, "adapt", "heart")[0]
    assert refused(project, "adapt", "--corpus", "nowhere", "--name", "mine")[0].startswith(
        f"{project.root}/nowhere: no such file or folder"
    )


def test_jsonl_with_a_broken_line_17(refused, project):
    lines = (project.texts / "a.jsonl").read_text().splitlines()
    lines[16] = lines[16][:-9]
    (project.texts / "a.jsonl").write_text("\n".join(lines))
    message, _ = refused(project, "adapt", "heart")
    assert message.startswith("corpora/heart/texts/a.jsonl:17: ") and "JSON" in message


def test_jsonl_without_the_text_field(refused, project):
    (project.root / "x.jsonl").write_text('{"id": 1, "body": "A long enough text about the heart."}\n')
    message, hint = corpus(refused, project, "x.jsonl")
    assert message.startswith("x.jsonl:1: ") and "'text'" in message and "body" in message
    assert hint == "did you mean --text-field 'body'?"


def test_csv_without_such_a_column(refused, project):
    (project.root / "x.csv").write_text("id,abstract,year\n1,A long enough text about the heart.,1999\n")
    message, hint = corpus(refused, project, "x.csv", "--text-field", "abstrac")
    assert message.startswith("x.csv:1: ") and "'abstrac'" in message and "id, abstract, year" in message
    assert hint == "did you mean --text-field 'abstract'?"


def test_binary_file_named_txt(refused, project):
    (project.root / "x.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(2000))
    message, _ = corpus(refused, project, "x.txt")
    assert message.startswith("x.txt: not text: NUL at byte")


def test_nothing_long_enough(refused, project):
    (project.root / "x.txt").write_text("short\n")
    assert corpus(refused, project, "x.txt")[0] == "no text to train on: of 1 documents read, 1 too short"


def test_answer_start_that_does_not_match(refused, run, adapted, caplog):
    """Ten characters off is repaired; further off is dropped and counted; more than 5 % dropped is fatal."""
    path = adapted.workspace.tasks / "qa" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["answers"]["answer_start"][0] += 10
    rows[1]["answers"]["answer_start"][0] += 11
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    caplog.set_level(logging.INFO, "domain_adapt")
    code, _, err = run(adapted, "finetune", "qa", "--set", "budget.epochs=1")
    assert code == 0, err
    assert f"train.jsonl:1: id '0-0': answer {rows[0]['answers']['text'][0]!r}: answer_start " in caplog.text
    assert "repaired to" in caplog.text and "train.jsonl:2: id '0-1'" in caplog.text
    assert "labels repaired: 1, examples dropped: 1" in caplog.text
    manifest = json.loads((adapted.workspace.checkpoints / "heart-qa" / "v1" / "manifest.json").read_text())
    counts = manifest["corpus"]["statistics"]
    assert (counts["train_examples"], counts["labels_repaired"], counts["examples_dropped"]) == (63, 1, 1)
    for row in rows[2:5]:
        row["answers"]["answer_start"][0] += 500
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    message, _ = refused(adapted, "finetune", "qa")
    assert "4 of 64 answerable questions have no usable answer (at most 5% may be dropped)" in message
    assert "train.jsonl:2: id '0-1': " in message  # the first that was dropped, not the first repaired


def test_a_base_that_is_not_a_masked_lm(refused, project):
    folder = project.root / "gpt"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}')
    message, _ = refused(project, "adapt", "heart", "--base", "./gpt")
    assert message.startswith("base './gpt' is not a masked language model: found architectures ['GPT2LMHeadModel']")


def test_an_unreachable_hub_names_the_id_and_the_way_out(refused, project, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # read from HF_ENDPOINT when it was imported
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    message, hint = refused(project, "adapt", "heart", "--base", "nobody/roberta-of-no-one")
    assert message.startswith("base 'nobody/roberta-of-no-one': the Hub cannot be reached and there is no copy of it")
    assert hint == "BASE=mini needs no network"


def test_a_finetuned_model_is_no_base_for_stage_1(refused, run, adapted):
    assert run(adapted, "finetune", "qa", "--set", "budget.epochs=1")[0] == 0
    assert "is not a masked language model" in refused(adapted, "adapt", "heart", "--base", "heart-qa@v1")[0]
    assert "RobertaForMaskedLM is not fine-tuned for a task" in refused(
        adapted, "predict", "heart", "--question", "Who?", "--context", "day"
    )[0]  # fmt: skip


def test_nothing_adapted_yet(refused, project):
    message, hint = refused(project, "finetune", "qa")
    assert message.startswith("nothing has been adapted yet") and hint.startswith("make adapt DOMAIN=")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--question", "Who?"),
        ("--context", "day"),
        ("--output", "a.jsonl"),
        ("--text", "day", "--context", "day"),
        ("--question", "Who?", "--context", "day", "--input", "q.jsonl", "--output", "a.jsonl"),
    ],
)
def test_predict_wants_one_question_or_a_file_of_them(refused, project, options):
    message, _ = refused(project, "predict", "heart-qa", *options)
    assert message == "expected --question with --context, or --text, or --input with --output"


@pytest.mark.parametrize("options", [("--input", "q.jsonl"), ("--input", "-", "--output", "a.jsonl")])
def test_predict_takes_a_file_to_a_file_and_stdin_to_stdout(refused, project, options):
    message, hint = refused(project, "predict", "heart-qa", *options)
    assert message == "expected --input FILE with --output FILE, or --input - alone" and "stdin" in hint


def test_no_checkpoints_yet(refused, project):
    assert refused(project, "checkpoints") == (
        "there are no checkpoints here yet",
        "domain-adapt adapt medical makes the first",
    )


def test_recipes_lists_and_shows(run, refused, project):
    code, out, _ = run(project, "recipes")
    assert (code, out.splitlines()) == (
        0,
        ["domain  heart        sentences about hearts and bonds", "task    qa           find the sign of illness"],
    )
    code, out, _ = run(project, "recipes", "show", "heart", "--set", "mlm.learning_rate=1e-4", "--profile", "long")
    assert code == 0 and "learning_rate = 0.0001 # peak learning rate\n" in out and "epochs = 2.0" in out
    assert refused(project, "recipes", "show", "haert") == (
        "unknown recipe 'haert'; known: heart, qa",
        "did you mean 'heart'?",
    )
    assert refused(project, "recipes", "show", "heart", "--profile", "huge")[0].endswith("it has: long, quick")


def test_what_is_not_a_command_or_option_exits_with_2(run, project):
    assert run(project, "adopt", "heart")[0] == 2
    assert run(project, "adapt", "heart", "--epochs", "3")[0] == 2


def test_ctrl_c_before_training_has_begun_is_130_without_a_traceback(run, project, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["domain_adapt.adapt"], "adapt", interrupted)
    code, _, err = run(project, "adapt", "heart")
    assert code == 130 and "Traceback" not in err


@pytest.mark.parametrize(
    "command", [(), ("adapt",), ("finetune",), ("predict",), ("checkpoints",), ("recipes",), ("recipes", "show")]
)
def test_help_of_every_command(run, project, command):
    code, out, _ = run(project, *command, "--help")
    assert code == 0 and "--help" in out
    # Click puts how this process was started in front of the name.
    assert (
        out.splitlines()[0]
        .removesuffix(" COMMAND [ARGS]...")
        .split(" [OPTIONS]")[0]
        .endswith(" ".join(["domain-adapt", *command]))
    )


def test_checkpoints_table(run, adapted):
    code, out, _ = run(adapted, "checkpoints")
    assert code == 0 and "heart@v1" in out and "adapt" in out


def test_predict_one_question_and_a_file_of_them(run, adapted):
    assert run(adapted, "finetune", "qa", "--set", "budget.epochs=1")[0] == 0
    context = "the second day was in a cough of the day"
    code, out, _ = run(adapted, "predict", "heart-qa", "--question", "Who?", "--context", context)
    found = json.loads(out)
    assert code == 0 and set(found) == {"answer", "score", "start", "end"}
    assert context[found["start"] : found["end"]] == found["answer"]
    rows = [{"id": "x", "question": "Who?", "context": context}, {"question": "Who?", "context": "in a pain of day"}]
    (adapted.root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(adapted, "predict", "heart-qa@v1", "--input", "q.jsonl", "--output", "a.jsonl")[0] == 0
    written = [json.loads(line) for line in (adapted.root / "a.jsonl").read_text().splitlines()]
    assert [row["id"] for row in written] == ["x", 2] and written[0]["answer"] == found["answer"]


def test_debug_shows_the_traceback(run, project, monkeypatch):
    from domain_adapt.errors import DomainAdaptError

    monkeypatch.setenv("DOMAIN_ADAPT_DEBUG", "")  # so that what --debug sets is put back
    with pytest.raises(DomainAdaptError, match="unknown domain"):
        run(project, "--debug", "adapt", "haert")
    assert os.environ["DOMAIN_ADAPT_DEBUG"] == "1"


def test_every_option_reaches_the_stage(run, project, monkeypatch):
    calls = []
    monkeypatch.setattr(sys.modules["domain_adapt.adapt"], "adapt", lambda *args, **given: calls.append((args, given)))
    arguments = (
        "adapt --corpus a --corpus b --task t --name n --base x --profile long --text-field body --set a=1 --set b=2"
    )
    assert run(project, *arguments.split(), "--force")[0] == 0
    assert calls == [
        (
            (None,),
            {
                "corpus": ["a", "b"],
                "task": "t",
                "name": "n",
                "base": "x",
                "profile": "long",
                "text_field": "body",
                "overrides": ["a=1", "b=2"],
                "force": True,
            },
        )
    ]
    module = importlib.import_module("domain_adapt.seeds")
    monkeypatch.setattr(module, "finetune_seeds", lambda *args, **given: calls.append((args, given)) or [])
    options = ["--from", "x@v1", "--domain", "d", "--train", "t", "--dev", "u", "--dev", "v", "--test", "w"]
    assert run(project, "finetune", "qa", *options)[0] == 0
    args, given = calls[1]
    assert args == ("qa", 1) and given["test"] == ["w"] and (given["start"], given["domain"]) == ("x@v1", "d")
    assert (given["train"], given["dev"], given["force"]) == (["t"], ["u", "v"], False)


def test_data_check_prints_a_table_and_exits_with_2_on_an_error(run, project):
    part = project.root / "tasks" / "qa" / "dev.jsonl"
    code, out, err = run(project, "data", "check", str(part))
    assert code == 0 and err == ""
    assert "question types" in out and out.splitlines()[-1].startswith("labelled data: no errors, ")
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    rows[1]["answers"]["answer_start"] = [5000]
    part.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run(project, "data", "check", str(part))
    assert code == 2 and err.startswith("error: labelled data: 1 errors, ")
    assert f"error: span: {part}:2: id '{rows[1]['id']}': answer " in out
    code, out, _ = run(project, "data", "check", "--json", str(part))
    found = json.loads(out)[0]
    assert code == 2 and found["questions"][0]["questions"] == len(rows) and found["findings"][0]["check"] == "span"


def test_data_check_takes_warnings_for_errors_where_asked(run, project):
    path = project.root / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": number, "text": "same", "label": "a"}) + "\n" for number in range(2)))
    code, out, _ = run(project, "data", "check", str(path))
    assert code == 0 and "warning: duplicate: " in out
    code, _, err = run(project, "data", "check", "--strict", str(path))
    assert code == 2 and err == "error: labelled data: 0 errors, 1 warnings\n"
    code, _, err = run(project, "data", "check", str(project.root / "absent"))
    assert code == 2 and "absent: no such file or folder" in err
