from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.errors import DomainAdaptError
from domain_adapt.tasks.splitting import fold_out, hold_out

Example = tuple[int, str]
numbered = st.lists(st.text(min_size=1), min_size=2, max_size=30).map(lambda texts: list(enumerate(texts)))


def text_of(example: Example) -> str:
    return example[1]


@given(examples=numbered, share=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_the_sides_share_no_text(examples: list[Example], share: float):
    if len({text_of(one) for one in examples}) < 2:
        with pytest.raises(DomainAdaptError, match="all examples are about one text, so none can be held out"):
            hold_out(examples, text_of, share)
        return
    train, dev = hold_out(examples, text_of, share)
    assert train and dev
    assert sorted(train + dev) == examples
    assert not {text_of(one) for one in train} & {text_of(one) for one in dev}


def test_share_and_sides_that_stay_when_the_set_grows():
    examples = [(number, f"context {number}") for number in range(2000)]
    _, dev = hold_out(examples, text_of, 0.1)
    assert 160 <= len(dev) <= 240
    _, before = hold_out(examples[:1000], text_of, 0.1)
    assert before == [one for one in dev if one[0] < 1000]


@given(examples=numbered, folds=st.integers(2, 6))
@settings(deadline=None)
def test_every_text_is_held_out_by_exactly_one_fold(examples: list[Example], folds: int):
    texts = {text_of(one) for one in examples}
    if len(texts) < folds:
        with pytest.raises(DomainAdaptError, match=f"so {folds} folds cannot be made"):
            fold_out(examples, text_of, folds, 0)
        return
    parts = []
    for fold in range(folds):
        train, dev = fold_out(examples, text_of, folds, fold)
        assert sorted(train + dev) == examples
        parts.append({text_of(one) for one in dev})
        assert not parts[-1] & {text_of(one) for one in train}
    assert sorted(text for part in parts for text in part) == sorted(texts)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
