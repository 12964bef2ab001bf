import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.data_check import check
from domain_adapt.data_check.wording import cuts_word, overlap, question_type, words
from domain_adapt.errors import DomainAdaptError

WORDS = "liver heart valve bond yield coupon fever artery share price nerve lung tax audit kidney stent".split()  # noqa: SIM905


def sentence(seed, length=40):
    """Returns words in an order of their own, so that texts of different seeds share no long run."""
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def question(number, context=None, **fields):
    text = context or f"Start {sentence(number)} ending{number}."
    answer = {"text": ["Start"], "answer_start": [0]}
    asked = f"Why did {' '.join(f'x{number}y{word}' for word in range(6))}?"
    return {"id": f"q{number}", "context": text, "question": asked, "answers": answer} | fields


def labelled(number, label, **fields):
    return {"id": f"t{number}", "text": f"{sentence(number, 12)} {number}", "label": label} | fields


@pytest.fixture
def found(tmp_path):
    """``found(train=[...], dev=[...])`` writes the parts and returns what the check says of them."""

    def found(**parts):
        for name, rows in parts.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (checked,) = check([tmp_path])
        return checked

    return found


def said(checked, level=None):
    """Returns (check, line of the file, message) of the findings."""
    rows = [finding for finding in checked.findings if level in (None, finding.level)]
    return [(one.check, one.place.partition(".jsonl:")[2].partition(":")[0], one.message) for one in rows]


def test_a_clean_set_has_figures_and_no_findings(found):
    unanswerable = question(3, answers={"text": [], "answer_start": []})
    two = {"text": ["Start", "Start liver"], "answer_start": [0, 0]}
    context = f"Start liver {sentence(1)}."
    checked = found(train=[question(1, context, answers=two), question(2, context), unanswerable], dev=[question(4)])
    assert said(checked) == [] and checked.kind == "question-answering"
    train, dev = checked.questions
    assert (train.part, train.questions, train.contexts, train.unanswerable) == ("train", 3, 2, 1 / 3)
    assert (train.several_answers, train.context_words, train.longest_context) == (1 / 3, 42.0, 42)
    assert (dev.part, dev.answer_words, dev.types) == ("dev", 1.0, {"why": 1})


@pytest.mark.parametrize(
    ("fields", "check_name", "message"),
    [
        ({"question": " "}, "blank", "the question is blank"),
        (
            {"answers": {"text": ["Start"], "answer_start": [2]}},
            "span",
            "answer 'Start' with answer_start 2 stands at 0",
        ),
        (
            {"answers": {"text": ["ending5"], "answer_start": [0]}},
            "span",
            "answer 'ending5' with answer_start 0 stands elsewhere",
        ),
        (
            {"answers": {"text": ["spleen"], "answer_start": [0]}},
            "span",
            "answer 'spleen' with answer_start 0 does not stand in the context",
        ),
        ({"answers": {"text": ["Start"], "answer_start": []}}, "schema", "1 texts but 0 starts"),
        ({"answers": {"text": [" "], "answer_start": [5]}}, "span", "an answer is blank"),
        ({"answers": {"text": ["Start"], "answer_start": [-1]}}, "span", "with answer_start -1 stands at 0"),
        ({"id": "q1"}, "duplicate", "id 'q1' was used before"),
        ({"context": "x" * 1_000_001, "answers": []}, "long context", "1,000,001 characters; at most 1,000,000"),
    ],
)
def test_errors_of_one_question_name_the_line(found, fields, check_name, message):
    rows = [question(1), question(5, **fields)]
    ((name, line, text),) = said(found(train=rows), "error")
    assert (name, line) == (check_name, "2") and message in text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"answers": {"text": ["Star"], "answer_start": [0]}}, "answer 'Star' cuts a word"),
        ({"answers": {"text": ["tart"], "answer_start": [1]}}, "answer 'tart' cuts a word"),
        ({"answers": {"text": ["Start "], "answer_start": [0]}}, "answer 'Start ' begins or ends with a space"),
        ({"question": "Did it start then?"}, "the question holds its answer 'Start'"),
    ],
)
def test_warnings_about_one_question(found, fields, message):
    ((_, line, text),) = said(found(train=[question(1), question(5, **fields)]), "warning")
    assert line == "2" and message in text


def test_a_long_answer_is_a_warning(found):
    context = f"Start {sentence(5)}"
    row = question(5, context, answers={"text": [context], "answer_start": [0]})
    assert ("long answer", "1", "an answer of 41 words") in said(found(train=[row]), "warning")


def test_bad_rows_do_not_hide_those_below(found):
    rows = [{"question": "Why?"}, question(1), "text", question(2, answers={"text": ["Start"], "answer_start": [1]})]
    assert [(name, line) for name, line, _ in said(found(train=rows), "error")] == [
        ("schema", "1"),
        ("schema", "3"),
        ("span", "4"),
    ]


def test_a_context_in_two_parts_is_an_error_whatever_its_case_and_spacing(found):
    shared = f"Start {sentence(9)}."
    respaced = shared.upper().replace(" ", "  ")
    rows = [question(3), question(2, respaced, answers={"text": [], "answer_start": []})]
    ((name, line, text),) = said(found(train=[question(1, shared)], test=rows), "error")
    assert (name, line) == ("leakage", "2") and "the same context stands in train" in text and "train.jsonl:1" in text


def test_a_nearly_equal_context_in_two_parts_is_a_warning(found):
    shared = f"Start {sentence(9, 120)}."
    changed = shared.replace("ending", "end").rsplit(" ", 1)[0] + " other."
    checked = found(train=[question(1, shared)], test=[question(2, changed)])
    near = [text for name, _, text in said(checked, "warning") if name == "leakage"]
    assert len(near) == 1 and near[0].startswith("nearly the same context (9")


def test_a_question_of_another_part_in_nearly_the_same_words_is_a_warning(found):
    asked = "In which year did the committee of the society publish its first guideline on stents?"
    rows = [question(2, question=asked.replace("first", "second"))]
    checked = found(train=[question(1, question=asked)], dev=rows)
    ((_, line, text),) = [one for one in said(checked, "warning") if one[0] == "leakage"]
    assert line == "1" and text.startswith("nearly the same question (78%)")
    same_part = found(train=[question(1, question=asked), rows[0]], dev=[question(7)])
    assert [one for one in said(same_part) if one[0] == "leakage"] == []


def test_contexts_that_share_eight_words_are_counted(found):
    run = "one two three four five six seven eight"
    contexts = [f"Start {sentence(number)} {run} tail{number}" for number in (1, 2)]
    rows = [question(number, context) for number, context in enumerate(contexts)]
    ((name, _, text),) = said(found(train=rows), "warning")
    assert name == "shared text" and text.startswith("1 pairs of different contexts share 8 words in a row")


def test_questions_copied_from_their_contexts(found):
    context = f"Start {sentence(5)}."
    copied = " ".join(context.split()[3:13])
    (one,) = (checked := found(train=[question(1, context, question=f"Why {copied}?")])).questions
    assert (one.overlap, one.copied) == (1.0, 1.0)
    assert [name for name, _, _ in said(checked, "warning")] == ["overlap", "copied"]


def test_labelled_texts(found):
    train = [labelled(number, "ab"[number % 2]) for number in range(10)]
    dev = [labelled(20, "c"), labelled(3, "b", id="other"), labelled(21, "a", text="\t")]
    checked = found(train=train, dev=dev)
    assert checked.texts[0].labels == {"a": 5, "b": 5}
    assert [(name, line) for name, line, _ in said(checked, "error")] == [
        ("blank", "3"),
        ("unknown label", "1"),
        ("leakage", "2"),
    ]
    assert "label 'c' does not occur in train" in said(checked, "error")[1][2]


def test_rare_uneven_and_contradictory_labels(found):
    train = [labelled(number, "a") for number in range(25)] + [labelled(30, "b"), labelled(0, "b", id="again")]
    messages = [text for _, _, text in said(found(train=train[:26]), "warning")]
    assert messages == ["label 'b' has 1 examples", "the most frequent label has 25 times the examples of the rarest"]
    messages = [text for _, _, text in said(found(train=train), "warning")]
    assert "id 'again': label 'b', but 'a' for the same text at" in messages[1]
    assert "id 'again': the same text stands at" in messages[2]


def spans(*entities, text="Acute myocardial infarction of the heart."):
    keys = ("start", "end", "label")
    return {"id": "s", "text": text, "entities": [dict(zip(keys, entity, strict=True)) for entity in entities]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (spans((6, 99, "disease")), "entity disease 6:99 lies outside the text of 41 characters"),
        (spans((6, 6, "disease")), "entity disease 6:6 lies outside"),
        (spans((0, 27, "disease"), (6, 16, "anatomy")), "entity anatomy 6:16 ('myocardial') overlaps the one before"),
        (spans((5, 16, "anatomy")), "begins or ends with a space"),
        (spans((6, "x", "anatomy")), "field 'entities[0].end': expected a whole number, found text 'x'"),
        (spans((6, 16, "")), "field 'entities[0].label': expected a text"),
        ({"id": "s", "tokens": ["a", "b"], "tags": ["O"]}, "2 tokens but 1 tags"),
        ({"id": "s", "tokens": ["a"], "tags": ["X-a"]}, "tag 'X-a' of token 0: expected O, B-LABEL or I-LABEL"),
        ({"id": "s", "tokens": ["a"], "tags": ["B-"]}, "tag 'B-' of token 0"),
        ({"id": "s", "tokens": [1], "tags": ["O"]}, "field 'tokens': expected a list of texts"),
        ({"id": "s", "entities": []}, "field 'text' is missing"),
    ],
)
def test_errors_of_labelled_spans(found, row, message):
    ((_, line, text),) = said(found(train=[row]), "error")[:1]
    assert line == "1" and message in text


def test_a_span_that_cuts_a_word_is_a_warning(found):
    checked = found(train=[spans((6, 15, "anatomy"))])
    assert "entity anatomy 6:15 ('myocardia') cuts a word" in [text for _, _, text in said(checked, "warning")]


def test_files_become_sets_by_folder_and_name(tmp_path):
    for place in ("a/train-00000-of-00002.json", "a/train-00001-of-00002.json", "a/validation.jsonl", "b/all.jsonl"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(labelled(sum(map(ord, place)), "x")))
    (tmp_path / "a" / "notes.txt").write_text("not data")
    one, two = check([tmp_path])
    assert (one.name, [(part.part, part.texts) for part in one.texts]) == (
        str(tmp_path / "a"),
        [("train", 2), ("dev", 1)],
    )
    assert (two.name, [part.part for part in two.texts]) == (str(tmp_path / "b" / "all.jsonl"), ["all.jsonl"])
    (again,) = check([tmp_path / "a", tmp_path / "a" / "validation.jsonl"])
    assert [part.texts for part in again.texts] == [2, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", "", "x.jsonl: the file is empty"),
        ("x.jsonl", '{"a": 1}', "x.jsonl:1: neither questions, labelled texts nor labelled spans"),
        ("x.jsonl", "[1]", "x.jsonl:1: neither"),
        (
            "x.jsonl",
            '{"question": "q", "choices": ["a", "b"], "answer": 0}',
            "x.jsonl:1: questions with choices are not",
        ),
        ("x.txt", "text", "x.txt: expected a file ending in .json"),
        ("x.jsonl", "{", "x.jsonl:1: not valid JSON"),
    ],
)
def test_what_is_no_labelled_data(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DomainAdaptError) as caught:
        check([tmp_path / name])
    assert message in caught.value.message


def test_paths_that_hold_nothing(tmp_path):
    with pytest.raises(DomainAdaptError, match="no such file or folder"):
        check([tmp_path / "absent"])
    with pytest.raises(DomainAdaptError, match="holds no labelled data"):
        check([tmp_path])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("Which hormone empties the gallbladder?", "which"),
        ("In which year was it described, and by whom?", "which"),
        ("How much iodine is needed?", "how many, how much"),
        ("Compared with veins, how thick are arteries?", "comparison"),
        ("What is the term for a low sodium?", "definition"),
        ("Whose name does the canal bear?", "who"),
        ("Name the muscle.", "definition"),
        ("Is it safe?", "other"),
    ],
)
def test_question_types(asked, expected):
    assert question_type(asked) == expected


def test_overlap_counts_content_words_only():
    context = frozenset(words("Bile leaves the liver through the hepatic ducts."))
    assert overlap("Through which ducts does bile drain?", context) == 2 / 3
    assert overlap("What is it?", context) == 0.0


@given(st.lists(st.text("abé1", min_size=1, max_size=4), min_size=1, max_size=6), st.data())
def test_spans_of_whole_words_cut_none(parts, data):
    text = " ".join(parts)
    first = data.draw(st.integers(0, len(parts) - 1))
    last = data.draw(st.integers(first, len(parts) - 1))
    start = len(" ".join([*parts[:first], ""])) if first else 0
    end = start + len(" ".join(parts[first : last + 1]))
    assert not cuts_word(text, start, end)
    if len(parts[first]) > 1:
        assert cuts_word(text, start + 1, end)
