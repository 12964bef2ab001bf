import json
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoConfig, AutoModelForMultipleChoice

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings, MultipleChoiceSettings, TaskRecipe
from domain_adapt.tasks import task_type
from domain_adapt.tasks.multiple_choice.data import Example, load_examples
from domain_adapt.tasks.multiple_choice.features import featurise
from domain_adapt.tasks.multiple_choice.metric import ChoiceMetric
from domain_adapt.tasks.multiple_choice.objective import Objective, choice_loss
from domain_adapt.tasks.multiple_choice.reading import parse_record

KIND = task_type("multiple-choice")
SETTINGS = MultipleChoiceSettings(max_length=24)
EXAMPLES = [
    Example("1", "Who examined the patients?", ("fever", "the committee", "a bond"), 1, "On the second day."),
    Example("2", "What does a bond pay?", ("a coupon", "blood"), 0),
    Example("3", "What falls?", ("the price", "heart muscle", "fever", "the aorta"), 3),
]
LETTERS = st.characters(codec="utf-8")
ROW_CHOICES = ("aorta", "bond", "cough")
ROW = {"question": "What?", "choices": list(ROW_CHOICES), "answer": 1}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [path]


def objective_of(examples, tokenizer, **finetune):
    features = featurise(examples, tokenizer, SETTINGS)
    return Objective(features, tokenizer.pad_token_id, FinetuneSettings(**finetune))


@pytest.fixture(scope="module", params=["roberta", "bert", "distilbert", "deberta-v2", "modernbert"])
def model(request, wordpiece):
    """A stock model for multiple choice with random weights, large ones so that its scores differ."""
    wide = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    own = {"distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}}.get(request.param, wide)
    shape = {"vocab_size": len(wordpiece), "pad_token_id": 0, "initializer_range": 0.5, "max_position_embeddings": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForMultipleChoice.from_config(AutoConfig.for_model(request.param, **shape, **own)).eval()


def test_loading(tmp_path):
    rows = [ROW | {"id": 7, "context": "Once."}, ROW | {"context": None}]
    first, second = load_examples(write(tmp_path / "x.jsonl", *rows)).examples
    assert first == Example("7", "What?", ("aorta", "bond", "cough"), 1, "Once.") and first.text == "Once. What?"
    assert (second.id, second.context, second.text) == (f"{tmp_path}/x.jsonl:2", "", "What?")
    assert [KIND.group(one) for one in (first, second)] == ["Once.", "What?"]
    assert "x.jsonl" not in repr(first)  # where a file lies is no part of what it says


def test_columns_by_other_names_from_csv(tmp_path):
    """As MedMCQA and CASE-HOLD have them."""
    path = tmp_path / "x.csv"
    path.write_text("sent,stem,opa,opb,opc,cop\nOnce.,What?,aorta,bond,cough,2\nTwice.,Who?,a man,nobody,you,B\n")
    columns = {"question": "stem", "context": "sent", "choices": ["opa", "opb", "opc"], "answer": "cop"}
    recipe = TaskRecipe(name="x", type="multiple-choice", multiple_choice=columns)
    first, second = KIND.load([path], recipe).examples
    assert (first.question, first.context, first.choices, first.answer) == ("What?", "Once.", ROW_CHOICES, 2)
    assert (second.choices, second.answer) == (("a man", "nobody", "you"), 1)
    with pytest.raises(DomainAdaptError, match=r"x.csv:2: field 'question' is missing") as caught:
        KIND.load([path], TaskRecipe(name="x", type="multiple-choice"))
    assert "[multiple_choice]" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "choices", "index", "ambiguous"),
    [
        (2, ROW_CHOICES, 2, False),
        (" 2", ROW_CHOICES, 2, False),
        ("C", ROW_CHOICES, 2, False),
        ("c", ROW_CHOICES, 2, False),
        ("cough", ROW_CHOICES, 2, False),
        ("1984", ("1948", "1984"), 1, False),  # no number of a choice, so its text
        ("Z", ("X", "Y", "Z"), 2, False),
        ("1", ("3", "2", "1"), 1, True),
        ("A", ("B", "A"), 0, True),
        ("1", ("0", "1"), 1, False),  # both ways the same
        (1, ("1", "2"), 1, False),  # a number is never a text
    ],
)
def test_ways_to_say_which_is_right(answer, choices, index, ambiguous):
    record = parse_record(ROW | {"choices": choices, "answer": answer}, "f:1", MultipleChoiceSettings())
    assert (record.answer, record.ambiguous) == (index, ambiguous)


def test_ambiguous_answers_are_counted_in_the_log(tmp_path, caplog):
    load_examples(write(tmp_path / "x.jsonl", ROW, ROW | {"choices": ["2", "1", "0"], "answer": "0"}))
    assert "1 answers are the number or letter of one choice and the text of another, the first at" in caplog.text
    assert "x.jsonl:2" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "expected an object"),
        ({"question": "What?"}, "field 'choices' is missing"),
        (ROW | {"question": " "}, "field 'question' is blank"),
        (ROW | {"question": 3}, "field 'question': expected text, found a number 3"),
        (ROW | {"choices": "a, b"}, "field 'choices': expected a list of texts, found text 'a, b'"),
        (ROW | {"choices": ["a"], "answer": 0}, "expected two or more choices, found 1"),
        (ROW | {"choices": ["a", None, "b"]}, r"field 'choices\[1\]': expected text, found null"),
        (ROW | {"choices": ["a", " ", "b"]}, r"choice 'choices\[1\]' is blank"),
        (ROW | {"choices": ["a", "b", "a "]}, r"the choices 'choices\[0\]' and 'choices\[2\]' are the same"),
        (ROW | {"answer": 3}, "field 'answer': a number 3 is none of the 3 choices: expected a number from 0 to 2"),
        (ROW | {"answer": -1}, "field 'answer': a number -1 is none of the 3 choices"),
        (ROW | {"answer": "D"}, "field 'answer': text 'D' is none of the 3 choices"),
        (ROW | {"answer": "liver"}, "field 'answer': text 'liver' is none of the 3 choices"),
        (ROW | {"answer": True}, "field 'answer': expected the number, letter or text of a choice, found true/false"),
        (ROW | {"answer": 1.0}, "field 'answer': expected the number, letter or text of a choice, found a number 1.0"),
        (ROW | {"context": ["x"]}, "field 'context': expected text"),
        (ROW | {"context": "x" * 1_000_001}, "field 'context': 1,000,001 characters; at most 1,000,000"),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, row, message):
    with pytest.raises(DomainAdaptError, match=rf"x\.jsonl:2: {message}"):
        load_examples(write(tmp_path / "x.jsonl", ROW, row))


def test_a_context_that_the_recipe_names_has_to_be_there():
    with pytest.raises(DomainAdaptError, match="f:1: field 'article' is missing"):
        parse_record(ROW, "f:1", MultipleChoiceSettings(context="article"))


def test_rows_are_the_pairs_that_the_tokenizer_makes(tokenizer):
    features = featurise(EXAMPLES, tokenizer, MultipleChoiceSettings(max_length=128))
    assert features.example_splits.tolist() == [0, 3, 5, 9] and features.answers.tolist() == [1, 0, 3]
    expected = [tokenizer(example.text, choice)["input_ids"] for example in EXAMPLES for choice in example.choices]
    assert [row.tolist() for row in np.split(features.input_ids, features.row_splits[1:-1])] == expected
    inputs = features.inputs(np.array([0, 4]), tokenizer.pad_token_id)
    assert {value.shape for value in inputs.values()} == {(1, 2, max(len(expected[0]), len(expected[4])))}


def rows_of(example, tokenizer, length):
    features = featurise([example], tokenizer, MultipleChoiceSettings(max_length=length))
    return [row.tolist() for row in np.split(features.input_ids, features.row_splits[1:-1])]


def test_a_long_context_is_cut_at_its_end_and_question_and_choices_stay_whole(tokenizer, caplog):
    context = "The fever of the second day. " * 20
    example = Example("1", "Which day was it?", ("the second", "a day of fever and cough"), 0, context)
    rows = rows_of(example, tokenizer, 40)
    # All choices see the same context: as much as fits beside the longest of them.
    assert "1 of 1 questions of more than 40 tokens were cut" in caplog.text
    assert 36 <= max(map(len, rows)) <= 40
    for row, choice in zip(rows, example.choices, strict=True):
        kept = tokenizer.decode(row, skip_special_tokens=True).lower().replace(" ?", "?")
        assert kept.startswith("the fever of the") and kept.count("fever") < 8
        assert f"which day was it?{choice}" in kept.replace("? ", "?")
    caplog.clear()
    assert rows_of(EXAMPLES[1], tokenizer, 128) and "cut" not in caplog.text


@pytest.mark.parametrize(("question", "choice"), [("Who? " * 60, "blood"), ("Who?", "blood and " * 60)])
def test_where_question_and_choice_do_not_fit_the_longer_is_cut(tokenizer, question, choice):
    rows = rows_of(Example("1", question, (choice, "fever"), 0, "A context."), tokenizer, 32)
    assert max(map(len, rows)) == 32
    text = tokenizer.decode(rows[0]).lower()
    assert "who" in text and "blood" in text and "context" not in text


@settings(deadline=None, max_examples=60)
@given(
    st.text(LETTERS, max_size=120),
    st.text(LETTERS, min_size=1, max_size=40),
    st.lists(st.text(LETTERS, min_size=1, max_size=30), min_size=2, max_size=5),
    st.integers(16, 40),
)
def test_no_row_is_longer_than_the_limit_and_short_ones_are_untouched(byte_bpe, context, question, choices, limit):
    example = Example("1", question, tuple(choices), 0, context)
    rows = rows_of(example, byte_bpe, limit)
    whole = [byte_bpe(example.text, choice)["input_ids"] for choice in choices]
    assert max(map(len, rows)) <= limit
    assert (rows == whole) == (max(map(len, whole)) <= limit)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_sum_over_the_examples_whatever_their_company(model, wordpiece, smoothing):
    objective = objective_of(EXAMPLES, wordpiece, label_smoothing=smoothing)
    assert len(objective) == 3 and objective.lengths.sum() == objective.features.lengths.sum()
    assert objective.row_tokens == 4 * objective.features.lengths.max()

    def loss(*rows):
        batch = objective.batch(np.array(rows), 0)
        assert batch.targets == {"choice": len(rows)} and batch.tokens == objective.lengths[list(rows)].sum()
        return objective.loss(model, batch.inputs)["choice"]

    with torch.no_grad():
        single = [loss(row) for row in range(3)]
        assert loss(2, 0, 1).item() == pytest.approx(sum(single).item(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_with_equal_numbers_of_choices_it_is_the_stock_loss(model, wordpiece, smoothing):
    examples = [Example(str(n), one.question, one.choices[:2], 1 - n % 2) for n, one in enumerate(EXAMPLES)]
    objective = objective_of(examples, wordpiece, label_smoothing=smoothing)
    batch = objective.batch(np.arange(3), 0)
    flat = {name: value for name, value in batch.inputs.items() if name not in ("choices", "answers")}
    stock = {name: value.view(3, 2, -1) for name, value in flat.items()}
    with torch.no_grad():
        output = model(**stock, labels=batch.inputs["answers"])
        ours = objective.loss(model, batch.inputs)["choice"]
    expected = functional.cross_entropy(output.logits, batch.inputs["answers"], label_smoothing=smoothing)
    if not smoothing:
        assert expected.item() == pytest.approx(output.loss.item(), abs=1e-6)
    assert ours.item() / 3 == pytest.approx(expected.item(), abs=1e-6)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=5), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.1, 0.9]),
)
def test_the_loss_of_several_examples_is_torch_s_own_of_each(scores, smoothing):
    counts = [len(one) for one in scores]
    begins = np.cumsum([0, *counts[:-1]])
    choices = torch.full((len(scores), max(counts)), -1)
    for row, (begin, count) in enumerate(zip(begins, counts, strict=True)):
        choices[row, :count] = torch.arange(begin, begin + count)
    flat = torch.tensor([*chain(*scores)], requires_grad=True)
    answers = torch.tensor([count - 1 for count in counts])
    loss = choice_loss(flat, choices, answers, smoothing)
    other = torch.tensor([*chain(*scores)], requires_grad=True)
    expected = sum(
        functional.cross_entropy(other[begin : begin + count], torch.tensor(count - 1), label_smoothing=smoothing)
        for begin, count in zip(begins, counts, strict=True)
    )
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(flat.grad, other.grad, rtol=1e-5, atol=1e-5)


def test_class_weights_are_refused(wordpiece):
    with pytest.raises(DomainAdaptError, match=r"finetune.class_weights: multiple choice has no classes"):
        objective_of(EXAMPLES, wordpiece, class_weights="balanced")


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_scores_and_predictions_are_those_of_the_stock_model(model, wordpiece, batch_size):
    features = KIND.featurise(EXAMPLES, wordpiece, SETTINGS)
    logits = KIND.logits(model, features, batch_size=batch_size, device="cpu", pad_token_id=0)
    predictions = KIND.decode(logits, features, EXAMPLES, SETTINGS)
    for example, found, scores in zip(
        EXAMPLES, predictions, np.split(logits, features.example_splits[1:-1]), strict=True
    ):
        texts, choices = [example.text] * len(example.choices), list(example.choices)
        encoded = wordpiece(texts, choices, padding=True, return_tensors="pt")
        with torch.no_grad():
            stock = model(**{name: value.unsqueeze(0) for name, value in encoded.items()}).logits[0]
        np.testing.assert_allclose(scores, stock.numpy(), atol=1e-5)
        assert found.choice == stock.argmax() and found.text == example.choices[found.choice]
        assert found.score == pytest.approx(stock.softmax(0).max().item(), abs=1e-5)
    right = sum(found.choice == example.answer for found, example in zip(predictions, EXAMPLES, strict=True))
    assert KIND.metric(EXAMPLES, predictions) == {"accuracy": pytest.approx(100 * right / 3)}


def test_metric_by_hand():
    assert ChoiceMetric().compute(predictions=[0, 3, 1, 1], references=[0, 1, 1, 0]) == {"accuracy": 50.0}
