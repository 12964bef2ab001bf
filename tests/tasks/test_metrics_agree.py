"""The metrics beside independent implementations: seqeval, scikit-learn and SciPy."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2
from sklearn import metrics
from sklearn.preprocessing import MultiLabelBinarizer

from domain_adapt.tasks.text_classification.metric import ClassificationMetric, MultiLabelMetric, RegressionMetric
from domain_adapt.tasks.token_classification.metric import EntityMetric
from domain_adapt.tasks.token_classification.reading import parse_record, spans_of_tags


def entities(tags):
    """Returns the entities of tagged words as the readers make them, as the metric takes them."""
    record = parse_record({"tokens": ["word"] * len(tags), "tags": tags}, "here")
    return [{"start": one.start, "end": one.end, "label": one.label} for one in record.entities]


def ours(expected, predicted):
    return EntityMetric()._compute([entities(tags) for tags in predicted], [entities(tags) for tags in expected])


def seqeval(expected, predicted, **options):
    options |= {"zero_division": 0}
    named = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    found = {name: 100 * score(expected, predicted, **options) for name, score in named.items()}
    return found | {"macro_f1": 100 * f1_score(expected, predicted, average="macro", **options)}


def tagged(letters):
    """Two texts' worth of tags for the same words: (expected, predicted), any tag behind any other."""
    tags = st.sampled_from(["O", *(f"{letter}-{label}" for letter in letters for label in ("a", "b-c", "d"))])
    words = st.lists(st.tuples(tags, tags), min_size=1, max_size=12)
    return st.lists(words, min_size=1, max_size=4)


@pytest.mark.parametrize("letters", ["BI", "BIES"])
def test_entities_are_those_of_seqeval(letters):
    @settings(deadline=None, max_examples=150)
    @given(tagged(letters))
    def check(texts):
        expected, predicted = ([[pair[side] for pair in text] for text in texts] for side in (0, 1))
        for tags in expected:
            found = [(label, first, last) for first, last, label in spans_of_tags(tags, "here")]
            assert found == get_entities(tags)
        assume(any(tag != "O" for side in (expected, predicted) for tags in side for tag in tags))
        assert ours(expected, predicted) == pytest.approx(seqeval(expected, predicted), abs=1e-9)
        report = classification_report(expected, predicted, output_dict=True, zero_division=0)
        assert ours(expected, predicted)["macro_f1"] == pytest.approx(100 * report["macro avg"]["f1-score"], abs=1e-9)

    check()


def test_without_any_entity_all_is_zero():
    assert ours([["O", "O"]], [["O", "O"]]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}


def test_an_inside_tag_behind_outside_begins_an_entity_as_in_lenient_and_not_as_in_strict_seqeval():
    expected, predicted = [["B-a", "I-a", "O", "B-a"]], [["I-a", "I-a", "O", "B-a"]]
    assert ours(expected, predicted) == dict.fromkeys(("precision", "recall", "f1", "macro_f1"), 100.0)
    assert ours(expected, predicted) == seqeval(expected, predicted)
    strict = seqeval(expected, predicted, mode="strict", scheme=IOB2)  # the malformed entity is none
    assert strict == pytest.approx({"precision": 100.0, "recall": 50.0, "f1": 200 / 3, "macro_f1": 200 / 3})


def test_bilou_is_read_here_and_misread_by_lenient_seqeval():
    tags = ["U-a", "U-a", "B-a", "L-a", "I-a"]
    assert spans_of_tags(tags, "here") == [(0, 0, "a"), (1, 1, "a"), (2, 3, "a"), (4, 4, "a")]
    with pytest.warns(UserWarning, match="seems not to be NE tag"):  # it knows no U and no L, and sees no end
        assert get_entities(tags) != [("a", 0, 0), ("a", 1, 1), ("a", 2, 3), ("a", 4, 4)]
    whole = [["U-a", "U-b", "B-a", "I-a", "L-a", "O"], ["B-b", "L-b", "U-b", "O", "O", "O"]]
    found = [["U-a", "U-a", "B-a", "I-a", "L-a", "O"], ["B-b", "L-b", "O", "U-b", "O", "O"]]
    assert ours(whole, found) == pytest.approx(seqeval(whole, found, mode="strict", scheme=BILOU))


# Labels that only one side has, and labels that neither has.
pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("cdef")), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:A single label", "ignore:y_pred contains classes not in y_true")
@settings(deadline=None, max_examples=100)
@given(pairs)
@example([("a", "f")])  # never right, one label a side
@example([("c", "c")] * 3)  # Matthews' coefficient is not defined
@example([("c", "c"), ("c", "d")])  # one side is constant
def test_labels_that_occur_on_one_side_only(found):
    predicted, expected = zip(*found, strict=True)
    scores = ClassificationMetric()._compute(predicted, expected)
    labels = sorted({*predicted, *expected})
    by_label = metrics.f1_score(expected, predicted, labels=labels, average=None, zero_division=0)
    assert scores["accuracy"] == pytest.approx(100 * metrics.accuracy_score(expected, predicted))
    assert scores["macro_f1"] == pytest.approx(100 * by_label.mean())
    assert scores["macro_f1"] == pytest.approx(100 * metrics.f1_score(expected, predicted, average="macro"))
    assert scores["mcc"] == pytest.approx(100 * metrics.matthews_corrcoef(expected, predicted), abs=1e-6)


label_sets = st.sets(st.sampled_from("abcde"), max_size=4)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(label_sets, label_sets), min_size=1, max_size=12))
@example([(set(), {"a"})])
@example([({"a"}, {"b"}), (set(), set())])
def test_several_labels_a_text(found):
    predicted, expected = zip(*found, strict=True)
    assume(any(predicted) or any(expected))
    labels = sorted(set().union(*predicted, *expected))
    binarizer = MultiLabelBinarizer(classes=[*labels, "never"])  # one column alone would be taken for 0 against 1
    columns = binarizer.fit_transform(expected), binarizer.fit_transform(predicted)
    options = {"labels": range(len(labels)), "zero_division": 0}
    scores = MultiLabelMetric()._compute([list(one) for one in predicted], [list(one) for one in expected])
    assert scores == pytest.approx(
        {
            "micro_f1": 100 * metrics.f1_score(*columns, average="micro", **options),
            "macro_f1": 100 * metrics.f1_score(*columns, average="macro", **options),
            "exact_match": 100 * metrics.accuracy_score(*columns),
        }
    )


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=20))
def test_numbers(found):
    predicted, expected = (np.array(side, dtype=float) / 2 for side in zip(*found, strict=True))
    scores = RegressionMetric()._compute(predicted, expected)
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(expected, predicted))
    if np.ptp(predicted) and np.ptp(expected):
        assert scores["spearman"] == pytest.approx(100 * stats.spearmanr(predicted, expected).statistic, abs=1e-9)
        assert scores["pearson"] == pytest.approx(100 * np.corrcoef(predicted, expected)[0, 1], abs=1e-9)
    else:
        assert scores["spearman"] == scores["pearson"] == 0.0
