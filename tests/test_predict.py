from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForQuestionAnswering

from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict import QuestionAnswerer, predict_file
from domain_adapt.recipes import FinetuneSettings, QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Answer, Example
from domain_adapt.tasks.question_answering.objective import QuestionAnsweringObjective
from domain_adapt.tasks.question_answering.windows import featurise
from domain_adapt.workspace import Workspace

SIGNS = ["fever", "cough", "pain"]
FILLER = ["the", "and", "of", "second", "day", "was", "in", "a"]
QUESTION = "Patients examined"
SETTINGS = QuestionAnsweringSettings(max_length=48, stride=16)
STEPS, ROWS = 60, 16


def make_examples(count: int, seed: int) -> list[Example]:
    """Contexts with at most one word of a kind, which is the answer."""
    generator = np.random.default_rng(seed)
    examples = []
    for number in range(count):
        words = list(generator.choice(FILLER, size=int(generator.integers(3, 12))))
        answer = str(generator.choice(SIGNS))
        answered = generator.random() < 0.75
        if answered:
            words.insert(int(generator.integers(len(words))), answer)
        context = " ".join(words)
        answers = (Answer(answer, context.index(answer)),) if answered else ()
        examples.append(Example(str(number), QUESTION, context, answers))
    return examples


@pytest.fixture(scope="module")
def qa_folder(tiny_wordpiece: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that has learnt, in a second or two, to find the one sign of illness."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tiny_wordpiece)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=50,
        type_vocab_size=1,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    features = featurise(make_examples(STEPS * ROWS, 0), tokenizer, SETTINGS)
    objective = QuestionAnsweringObjective(features, 0, FinetuneSettings())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RobertaForQuestionAnswering(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(STEPS):
        inputs = objective.batch(np.arange(step * ROWS, (step + 1) * ROWS), 0).inputs
        optimizer.zero_grad()
        (objective.loss(model, inputs)["span"] / ROWS).backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("qa")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def answerer(qa_folder: Path) -> QuestionAnswerer:
    return QuestionAnswerer(qa_folder, device="cpu", stride=16)


def test_learnt_answers_are_found(answerer: QuestionAnswerer):
    examples = [example for example in make_examples(60, 9) if example.answers]
    found = answerer([one.question for one in examples], [one.context for one in examples])
    right = [one["answer"] == example.answers[0].text for one, example in zip(found, examples, strict=True)]
    assert sum(right) >= 0.95 * len(right)
    for one, example in zip(found, examples, strict=True):
        assert example.context[one["start"] : one["end"]] == one["answer"]
        assert 0 < one["score"] <= 1


def test_one_question_gives_one_dict(answerer: QuestionAnswerer):
    assert answerer(QUESTION, "the second day was in a cough of the day") == {
        "answer": "cough",
        "score": pytest.approx(0.95, abs=0.05),
        "start": 24,
        "end": 29,
    }


def test_a_single_context_or_question_goes_with_all_of_the_other(answerer: QuestionAnswerer):
    found = answerer(["When?", QUESTION], "the second day was in a cough of the day")
    assert [one["answer"] for one in found] == ["cough", "cough"]
    found = answerer(QUESTION, ["in a cough of the day", "of the fever in a second day"])
    assert [one["answer"] for one in found] == ["cough", "fever"]
    assert answerer([], []) == []


@pytest.mark.parametrize("place", [0, 90, 180])
def test_answer_anywhere_in_a_long_context(answerer: QuestionAnswerer, place: int):
    words = list(np.random.default_rng(0).choice(["the", "day", "was", "in", "of"], size=180))
    words.insert(place, "cough")
    found = answerer(QUESTION, " ".join(words))
    assert found["answer"] == "cough"


def test_answers_do_not_depend_on_batch_size_or_company(answerer: QuestionAnswerer):
    examples = make_examples(20, 3)
    questions, contexts = [one.question for one in examples], [one.context for one in examples]
    together = answerer(questions, contexts, batch_size=7)
    for number in (0, 7, 19):
        alone = answerer(questions[number], contexts[number])
        assert (alone["start"], alone["end"]) == (together[number]["start"], together[number]["end"])
        assert alone["score"] == pytest.approx(together[number]["score"], abs=1e-4)


def test_more_questions_than_a_chunk(answerer: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch):
    examples = make_examples(11, 4)
    arguments = [one.question for one in examples], [one.context for one in examples]
    whole = answerer(*arguments)
    monkeypatch.setattr("domain_adapt.predict.questions.CHUNK", 3)
    assert [one["answer"] for one in answerer(*arguments)] == [one["answer"] for one in whole]


def test_top_k_is_ordered_by_score(answerer: QuestionAnswerer):
    ranked = answerer(QUESTION, "the second day was in a cough of the day", top_k=4)
    assert len(ranked) == 4 and ranked[0]["answer"] == "cough"
    assert [one["score"] for one in ranked] == sorted((one["score"] for one in ranked), reverse=True)
    assert sum(one["score"] for one in ranked) <= 1.0001
    assert len({(one["start"], one["end"]) for one in ranked}) == 4
    assert len(answerer([QUESTION], "day", top_k=9)[0]) >= 1


def test_no_answer_only_where_allowed(answerer: QuestionAnswerer, monkeypatch: pytest.MonkeyPatch):
    context = "the second day was in a day"
    nothing = {"answer": "", "score": pytest.approx(0.95, abs=0.05), "start": 0, "end": 0}
    assert answerer(QUESTION, context)["answer"] != ""
    assert answerer(QUESTION, context, allow_no_answer=True) == nothing
    assert answerer(QUESTION, "the second pain was in a day", allow_no_answer=True)["answer"] == "pain"
    monkeypatch.setattr(answerer.model.config, "allow_no_answer", True, raising=False)
    assert answerer(QUESTION, context) == nothing


@pytest.mark.parametrize(
    ("asked", "searched", "message"),
    [
        ("When?", " \n", "item 0: context is blank"),
        ("", "day", "item 0: question is blank"),
        (["When?", "Who?"], ["day", ""], "item 1: context is blank"),
        (["When?", "Who?"], ["day"], "2 questions but 1 contexts"),
        (["When?"], [3], "item 0: field 'context': expected text, found a number 3"),
    ],
)
def test_wrong_questions(answerer: QuestionAnswerer, asked: object, searched: object, message: str):
    with pytest.raises(DomainAdaptError, match=message):
        answerer(asked, searched)  # type: ignore[arg-type]


def test_length_is_limited_by_the_positions_of_the_model(qa_folder: Path):
    assert QuestionAnswerer(str(qa_folder)).settings.max_length == 49
    assert QuestionAnswerer(qa_folder, max_length=40, stride=8).settings.max_length == 40


@pytest.mark.parametrize(
    ("options", "message"), [({"max_length": 3}, "max_length: "), ({"precision": "fp8"}, "precision: ")]
)
def test_wrong_options(qa_folder: Path, options: dict, message: str):
    with pytest.raises(DomainAdaptError, match=message):
        QuestionAnswerer(qa_folder, **options)


def test_masked_lm_is_refused(tiny_model_folder: Path):
    with pytest.raises(DomainAdaptError, match=r"not a question-answering model.*qa_outputs"):
        QuestionAnswerer(tiny_model_folder)


def test_missing_folder_and_unknown_checkpoint(tmp_path: Path):
    with pytest.raises(DomainAdaptError, match="no such folder"):
        QuestionAnswerer(tmp_path / "nowhere")
    with pytest.raises(DomainAdaptError, match="medical-qa"):
        QuestionAnswerer("medical-qa", workspace=Workspace(tmp_path))


def test_predict_file(answerer: QuestionAnswerer, tmp_path: Path):
    source, target = tmp_path / "q.jsonl", tmp_path / "new" / "a.jsonl"
    rows = [
        {"id": "x", "question": QUESTION, "context": "the second cough of a day"},
        {"question": QUESTION, "context": "the second pain of a day"},
    ]
    source.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert predict_file(answerer, source, target) == 2
    written = [json.loads(line) for line in target.read_text().splitlines()]
    assert [list(row) for row in written] == [["id", "question", "answer", "score", "start", "end"]] * 2
    assert [(row["id"], row["answer"], row["start"], row["end"]) for row in written] == [
        ("x", "cough", 11, 16),
        (2, "pain", 11, 15),
    ]
    assert [path.name for path in target.parent.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"q\.jsonl:2: not valid JSON"),
        ("[]", r"q\.jsonl:2: expected an object"),
        ('{"question": "q"}', r"q\.jsonl:2: field 'context' is missing"),
        ('{"question": "q", "context": ""}', r"q\.jsonl:2: field 'context' is blank"),
        ('{"question": 1, "context": "c"}', r"q\.jsonl:2: field 'question': expected text"),
    ],
)
def test_wrong_input_names_file_and_line_and_leaves_the_output_alone(
    answerer: QuestionAnswerer, tmp_path: Path, line: str, message: str
):
    source, target = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    source.write_text('{"question": "q", "context": "c"}\n' + line)
    target.write_text("before")
    with pytest.raises(DomainAdaptError, match=message):
        predict_file(answerer, source, target)
    assert target.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "q.jsonl"]


def test_a_failure_in_the_middle_leaves_the_output_alone(tmp_path: Path):
    source, target = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    source.write_text('{"question": "q", "context": "c"}\n')

    class Broken:
        columns = ("question", "context")

        def predict_rows(self, *arguments: object, **options: object) -> list[dict[str, object]]:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        predict_file(Broken(), source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["q.jsonl"]


def test_unwritable_output_is_one_line(answerer: QuestionAnswerer, tmp_path: Path):
    source = tmp_path / "q.jsonl"
    source.write_text('{"question": "q", "context": "day"}\n')
    with pytest.raises(DomainAdaptError, match="cannot be written"):
        predict_file(answerer, source, source / "a.jsonl")
