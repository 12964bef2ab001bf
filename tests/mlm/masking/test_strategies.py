from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.mlm.masking import (
    MaskingVocabulary,
    SingleTokens,
    Spans,
    WeightedWords,
    WholeWords,
    WordTable,
    mask_blocks,
    masking_key,
)

# Ids: 0 padding, 1 unknown, 2 opens, 3 separates, 4 mask; up to 699 whole words, the rest goes on with a word.
SIZE, CONTINUING = 1000, 700
TABLE = WordTable.from_texts([b" word"] * CONTINUING + [b"ing"] * (SIZE - CONTINUING), [0, 2, 3, 4])
IS_ORDINARY = np.arange(SIZE) >= 5
VOCABULARY = MaskingVocabulary(4, np.flatnonzero(IS_ORDINARY), IS_ORDINARY)
WEIGHTS = np.linspace(0.05, 2, SIZE) * IS_ORDINARY


def blocks_of(rows, width, seed=0, separators=0.02):
    """Random documents: a separator every 50 tokens or so, words of one to several pieces, padding in the last row."""
    generator = np.random.Generator(np.random.Philox(seed))
    blocks = generator.integers(5, SIZE, (rows, width)).astype(np.int32)
    blocks[generator.random(blocks.shape) < separators] = 3
    blocks[:, 0], blocks[:, -1] = 2, 3
    blocks[-1, width // 2 :] = 0
    return blocks


MILLION = blocks_of(8000, 128)
COUNTS = np.bincount(MILLION.reshape(-1), minlength=SIZE) * IS_ORDINARY
STRATEGIES = {
    "token": SingleTokens(),
    "whole-word": WholeWords(TABLE),
    "span": Spans(TABLE),
    "difference": WeightedWords(TABLE, WEIGHTS, COUNTS),
}


def mask(strategy, blocks=MILLION, probability=0.15, indices=None, key=masking_key(0, 0)):
    indices = np.arange(len(blocks)) if indices is None else indices
    return mask_blocks(blocks, indices, VOCABULARY, key=key, probability=probability, strategy=strategy)


@pytest.fixture(scope="module")
def masked():
    """A million tokens masked by each strategy: ``input_ids`` and ``chosen``."""
    return {name: mask(strategy) for name, strategy in STRATEGIES.items()}


def within(observed, share, count, errors=3):
    """Whether a share of ``count`` independent cases is that close to its expectation, in standard errors."""
    return abs(observed / count - share) < errors * (share * (1 - share) / count) ** 0.5


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_million_tokens_have_the_rate_asked_for_within_three_standard_errors(masked, name):
    chosen, ordinary = masked[name][1], IS_ORDINARY[MILLION]
    assert not (chosen & ~ordinary).any()
    # Tokens of a word or span are chosen together, but rows are independent: their sums give the standard error.
    excess = chosen.sum(axis=1) - 0.15 * ordinary.sum(axis=1)
    assert abs(excess.sum()) < 3 * np.sqrt((excess**2).sum())
    assert abs(excess.sum()) < 0.01 * chosen.sum()  # and that error is small


@pytest.mark.parametrize("name", ["token", "whole-word", "difference"])
def test_each_chosen_token_is_masked_replaced_or_kept_on_its_own(masked, name):
    input_ids, chosen = masked[name]
    assert np.array_equal(input_ids[~chosen], MILLION[~chosen])
    count = int(chosen.sum())
    hidden, same = input_ids[chosen] == 4, input_ids[chosen] == MILLION[chosen]
    assert within(hidden.sum(), 0.8, count)
    assert within(same.sum(), 0.1 + 0.1 / 995, count)  # a random replacement can be the token itself
    next_to = chosen[:, 1:] & chosen[:, :-1]
    both = (input_ids[:, 1:] == 4) & (input_ids[:, :-1] == 4) & next_to
    assert within(both.sum(), 0.64, int(next_to.sum()), errors=4)  # 0.8 of 0.8: neighbours are independent


def words_of(blocks=MILLION):
    """Yields each row's words as (start, end), a plain reading of what the table says."""
    for row in blocks.tolist():
        edges = [at for at, token in enumerate(row) if not (token >= CONTINUING and at and row[at - 1] >= 5)]
        yield list(zip(edges, [*edges[1:], len(row)], strict=True))


@pytest.mark.parametrize("name", ["whole-word", "span", "difference"])
def test_all_tokens_of_a_word_are_chosen_or_none(masked, name):
    chosen = masked[name][1][:500]
    several = 0
    for row, words in enumerate(words_of(MILLION[:500])):
        for start, end in words:
            assert chosen[row, start:end].all() or not chosen[row, start:end].any()
            several += end - start > 2 and chosen[row, start]
    assert several > 300


def test_words_are_chosen_independently_of_each_other_and_of_their_length(masked):
    starts = TABLE.starts(MILLION) & IS_ORDINARY[MILLION]
    chosen = masked["whole-word"][1]
    longer = starts[:, :-1] & ~starts[:, 1:] & IS_ORDINARY[MILLION][:, 1:]
    assert within((chosen[:, :-1] & longer).sum(), 0.15, longer.sum())
    pairs = starts[:, :-1] & starts[:, 1:]
    assert within((chosen[:, :-1] & chosen[:, 1:] & pairs).sum(), 0.15**2, pairs.sum(), errors=4)


@pytest.fixture(scope="module")
def documents(masked):
    """Of every document: which of its words are chosen (bool array), and the row and first token of each word."""
    chosen, found = masked["span"][1], []
    for row, words in enumerate(words_of()):
        document = []
        for start, _ in [*words, (None, None)]:
            if start is not None and MILLION[row, start] >= 5:
                document.append((row, start))
            elif document:
                rows, firsts = np.array(document).T
                found.append((chosen[rows, firsts], rows, firsts))
                document = []
    return found


def spans_in(chosen):
    """Returns ``(start, end)`` of each run of chosen words."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    return edges.reshape(-1, 2).tolist()


def test_span_lengths_are_those_of_spanbert_within_three_standard_errors(documents):
    lengths = [
        end - start
        for chosen, *_ in documents
        for start, end in spans_in(chosen)
        if 0 < start < len(chosen) - 10  # neither inside a span when the document begins, nor cut by its end
    ]
    shares = 0.2 * 0.8 ** np.arange(10)
    shares /= shares.sum()
    assert shares @ np.arange(1, 11) == pytest.approx(3.797, abs=1e-3)  # "3.8" in the paper
    assert len(lengths) > 10_000 and max(lengths) == 10
    for length in range(1, 11):
        assert within(lengths.count(length), shares[length - 1], len(lengths)), length
    spread = np.sqrt(shares @ np.arange(1, 11) ** 2 - 3.797**2)
    assert abs(np.mean(lengths) - 3.797) < 3 * spread / np.sqrt(len(lengths))


def test_every_word_of_a_document_is_as_likely_in_a_span_as_any_other(documents):
    for place in [*range(12), 25, 40]:
        for at in (place, -1 - place):
            picked = [chosen[at] for chosen, *_ in documents if len(chosen) > place]
            assert within(sum(picked), 0.15, len(picked), errors=3.5), at


def test_what_is_left_of_a_span_when_a_document_begins_has_the_lengths_of_equilibrium(documents):
    left = [spans_in(chosen)[0][1] for chosen, *_ in documents if len(chosen) > 10 and chosen[0]]
    shares = 0.2 * 0.8 ** np.arange(10)
    shares /= shares.sum()
    for length in range(1, 11):  # P(length or more words in a span) / mean length
        assert within(left.count(length), shares[length - 1 :].sum() / 3.797, len(left), errors=3.5), length


def test_a_span_is_masked_replaced_or_kept_as_one(masked, documents):
    input_ids = masked["span"][0]
    fates = {"hidden": 0, "same": 0, "replaced": 0}
    first, later = [], []
    for chosen, rows, firsts in documents:
        for start, end in spans_in(chosen):
            tokens = slice(firsts[start], firsts[end] if end < len(firsts) else _end_of_word(rows[0], firsts[end - 1]))
            now, before = input_ids[rows[0], tokens], MILLION[rows[0], tokens]
            if (now == 4).any():
                assert (now == 4).all()
                fates["hidden"] += 1
            elif (now == before).all():  # or a replacement by itself, which is rare
                fates["same"] += 1
            else:
                assert (now != 4).all() and (now >= 5).all()
                fates["replaced"] += 1
                first.append(now[0])
                later.extend(now[1:])
    count = sum(fates.values())
    assert within(fates["hidden"], 0.8, count)
    assert within(fates["same"], 0.1, count) and within(fates["replaced"], 0.1, count)
    for drawn in (first, later):  # from the whole vocabulary evenly, also where the draw decided the fate of the span
        tenths, _ = np.histogram(drawn, bins=10, range=(5, SIZE))
        assert all(within(tenth, 0.1, len(drawn), errors=3.5) for tenth in tenths)


def _end_of_word(row, start):
    end = start + 1
    while end < MILLION.shape[1] and MILLION[row, end] >= CONTINUING:
        end += 1
    return end


def test_spans_end_at_document_edges_and_leave_a_gap():
    chosen = mask(STRATEGIES["span"], probability=STRATEGIES["span"].largest_probability)[1]
    for row, words in enumerate(words_of(MILLION[:200])):
        longest = 0
        for start, _ in words:
            longest = longest + 1 if chosen[row, start] else 0
            assert longest <= 10
    assert abs(chosen.sum() / IS_ORDINARY[MILLION].sum() - 3.797 / 4.797) < 0.005


def test_probability_of_a_word_is_the_mean_over_its_pieces(masked):
    chosen = masked["difference"][1]
    expected, drawn = {}, {}
    for row, words in enumerate(words_of(MILLION[:1500])):
        for start, end in words:
            if MILLION[row, start] >= 5:
                weight = sum(WEIGHTS[MILLION[row, start:end]].tolist()) / (end - start)
                fifth = int(weight * 5)
                expected.setdefault(fifth, []).append(weight)
                drawn.setdefault(fifth, []).append(chosen[row, start])
    scale = 0.15 * COUNTS.sum() / (WEIGHTS @ COUNTS)
    assert len(drawn) >= 9
    for fifth in drawn:
        assert within(sum(drawn[fifth]), scale * np.mean(expected[fifth]), len(drawn[fifth]), errors=3.5), fifth


def test_scale_by_hand_with_and_without_the_cap():
    strategy = WeightedWords(TABLE, np.array([0, 1.6, 0.4]), np.array([0, 50, 50]))
    assert strategy.scale(0.15) == pytest.approx(0.15)  # 0.24 and 0.06
    assert strategy.scale(0.5) == pytest.approx(0.5)  # 0.8 and 0.2: the cap is just reached
    assert strategy.scale(0.6) == pytest.approx(1.0)  # 0.8 and 0.4
    assert strategy.scale(0.79) == pytest.approx(0.78 / 0.4)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-3, 10), st.integers(0, 1000)), min_size=1, max_size=30),
    st.floats(1e-3, 0.799),
)
def test_scale_gives_the_mean_asked_for(entries, probability):
    weights, counts = np.array(entries).T
    counts[0] += 1
    scale = WeightedWords(TABLE, weights, counts).scale(probability)
    assert (np.minimum(0.8, scale * weights) @ counts) / counts.sum() == pytest.approx(probability)


def test_no_word_is_masked_more_often_than_the_cap_and_the_share_is_kept():
    chosen, ordinary = mask(STRATEGIES["difference"], probability=0.6)[1], IS_ORDINARY[MILLION]
    excess = chosen.sum(axis=1) - 0.6 * ordinary.sum(axis=1)
    assert abs(excess.sum()) < 3 * np.sqrt((excess**2).sum())
    alone = TABLE.starts(MILLION)
    alone[:, :-1] &= alone[:, 1:]
    scale = STRATEGIES["difference"].scale(0.6)
    capped = alone & (scale * WEIGHTS[MILLION] > 0.8)
    assert capped.sum() > 10_000 and scale * WEIGHTS.max() > 1
    assert within(chosen[capped].sum(), 0.8, capped.sum())


def test_shares_above_the_cap_make_all_words_alike():
    blocks = MILLION[:2000]
    chosen = mask(STRATEGIES["difference"], blocks, probability=0.9)[1]
    light = WEIGHTS[blocks] < 0.5
    assert chosen[light & IS_ORDINARY[blocks]].mean() == pytest.approx(0.9, abs=0.01)
    assert chosen[~light].mean() == pytest.approx(0.9, abs=0.01)


def test_a_piece_without_weight_is_not_chosen_and_does_not_count():
    joined = WordTable.from_texts([b"", b" a", b"b"], [0])
    joined.flags[0] = joined.flags[2]  # an unknown character inside a word
    strategy = WeightedWords(joined, np.array([0.0, 2.0, 1.0]), np.array([0, 10, 10]))
    draws = np.array([[0.29, 0.9, 0.9, 0.31, 0.9, 0.9]])  # mean of the two pieces with weight: 0.2 * 1.5
    choice = strategy.choose(np.array([[1, 0, 2, 1, 0, 2]]), draws, 0.3)
    assert choice.chosen.tolist() == [[True, True, True, False, False, False]]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(deadline=None, max_examples=30)
@given(
    picked=st.lists(st.integers(0, 59), min_size=1, max_size=8),
    probability=st.floats(0.01, 0.75),
    key=st.integers(0, 2**64),
)
def test_a_row_is_masked_the_same_in_any_company(name, picked, probability, key):
    blocks, rows = blocks_of(60, 40, separators=0.1), np.array(picked)
    together = mask(STRATEGIES[name], blocks, probability, key=key)
    some = mask(STRATEGIES[name], blocks[rows], probability, rows, key)
    for whole, part in zip(together, some, strict=True):
        assert np.array_equal(whole[rows], part)


@pytest.mark.parametrize("name", STRATEGIES)
def test_threads_draw_what_one_thread_draws(masked, name):
    parts = np.array_split(np.arange(800), 40)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda rows: mask(STRATEGIES[name], MILLION[rows], 0.15, rows), parts))
    assert np.array_equal(np.concatenate([part[0] for part in drawn]), masked[name][0][:800])


@pytest.mark.parametrize("name", STRATEGIES)
def test_rows_without_any_special_or_ordinary_token_are_masked_too(name):
    plain = np.full((3, 16), 5, dtype=np.int32)
    plain[:, ::3] = 900
    assert 0 < mask(STRATEGIES[name], plain, 0.5)[1].sum() < plain.size
    assert not mask(STRATEGIES[name], np.zeros((2, 16), dtype=np.int32), 0.5)[1].any()
