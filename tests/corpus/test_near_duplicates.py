from __future__ import annotations

import itertools
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domain_adapt.corpus import near_duplicates as module
from domain_adapt.corpus.near_duplicates import bands_and_rows, clusters, near_duplicates, signatures
from domain_adapt.recipes.corpus_tables import DeduplicationSettings

SMALL = arrays(np.uint32, st.tuples(st.integers(1, 9), st.just(16)), elements=st.integers(0, 2))


def settings(ngram: int = 5, permutations: int = 128) -> DeduplicationSettings:
    return DeduplicationSettings(ngram=ngram, permutations=permutations)


def generated(generator: np.random.Generator, count: int) -> list[list[str]]:
    """Texts of 60 to 200 words, which come as often as in language (Zipf)."""
    weights = 1 / np.arange(1, 5001)
    cumulated = np.cumsum(weights) / weights.sum()
    lengths = generator.integers(60, 201, size=count)
    return [[f"w{number}" for number in np.searchsorted(cumulated, generator.random(length))] for length in lengths]


def changed(words: list[str], generator: np.random.Generator) -> list[str]:
    """The words, every tenth of them another."""
    words = list(words)
    for place in generator.choice(len(words), size=round(len(words) / 10), replace=False):
        words[place] = f"w{generator.integers(5000)}"
    return words


def jaccard(first: list[str], second: list[str], ngram: int) -> float:
    one, other = (
        {tuple(words[start : start + ngram]) for start in range(len(words) - ngram + 1)} for words in (first, second)
    )
    return len(one & other) / len(one | other)


@pytest.fixture(scope="module")
def planted() -> tuple[list[list[str]], list[int]]:
    """2,000 texts; 50 with a tenth of another's words changed; 50 that are another's; whose each of the 100 is."""
    generator = np.random.default_rng(0)
    texts = generated(generator, 2000)
    originals = generator.choice(2000, size=100, replace=False).tolist()
    near = [changed(texts[original], generator) for original in originals[:50]]
    return [*texts, *near, *(texts[original] for original in originals[50:])], originals


@pytest.mark.parametrize(("ngram", "threshold"), [(2, 0.5), (3, 0.4)])
def test_all_planted_duplicates_are_found_and_no_others(
    planted: tuple[list[list[str]], list[int]], ngram: int, threshold: float
) -> None:
    words, originals = planted
    texts = [" ".join(text) for text in words]
    keep = near_duplicates([signatures(texts, settings(ngram))], np.array([len(text) for text in texts]), threshold)
    assert all(keep[2000 + number] == keep[original] for number, original in enumerate(originals))
    assert len(set(keep.tolist())) == 2000


def test_runs_of_five_words_of_which_70_percent_agree_miss_texts_with_a_tenth_of_the_words_changed(
    planted: tuple[list[list[str]], list[int]],
) -> None:
    words, originals = planted
    assert max(jaccard(words[original], words[2000 + n], 5) for n, original in enumerate(originals[:50])) < 0.6
    texts = [" ".join(text) for text in words]
    keep = near_duplicates([signatures(texts, settings())], np.array([len(text) for text in texts]), 0.7)
    dropped = set(np.flatnonzero(keep != np.arange(2100)).tolist())
    assert dropped == set(range(2050, 2100))


@pytest.mark.parametrize("ngram", [1, 3, 5])
def test_signatures_estimate_the_jaccard_similarity(ngram: int) -> None:
    generator = np.random.default_rng(1)
    first = generated(generator, 200)
    second = [list(words) for words in first]
    for number, words in enumerate(second):  # from nearly the same to nearly nothing in common
        for _ in range(number):
            words[generator.integers(len(words))] = f"x{generator.integers(10**6)}"
    rows = [signatures([" ".join(words) for words in texts], settings(ngram)) for texts in (first, second)]
    errors = (rows[0] == rows[1]).mean(axis=1) - [jaccard(*pair, ngram) for pair in zip(first, second, strict=True)]
    # The standard deviation of a share of 128 is at most sqrt(0.25 / 128) = 0.044.
    assert np.abs(errors).max() < 4 * 0.044
    assert abs(errors.mean()) < 4 * 0.044 / np.sqrt(200)


@hypothesis_settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab c.\n"), max_size=30), max_size=8), st.integers(1, 6))
def test_a_signature_depends_on_its_text_alone(texts: list[str], ngram: int) -> None:
    together = signatures(texts, settings(ngram, 16))
    assert together.shape == (len(texts), 16) and together.dtype == np.uint32
    for text, row in zip(texts, together, strict=True):
        assert signatures([text], settings(ngram, 16))[0].tolist() == row.tolist()


def test_batches_do_not_change_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number} is a number and {number + 1} too" for number in range(150)]
    expected = signatures(texts, settings(2))
    assert len({row.tobytes() for row in expected}) == 150
    monkeypatch.setattr(module, "_ROWS", 7)
    assert (signatures(texts, settings(2)) == expected).all()
    monkeypatch.setattr(module, "_CHARACTERS", 50)
    assert (signatures(texts, settings(2)) == expected).all()


def test_short_texts_are_alike_only_if_their_words_are_the_same() -> None:
    rows = signatures(
        ["Heart failure.", "heart, FAILURE", "failure heart", "heart", "", "?!", "? !", "..."], settings()
    )
    alike = [(one, other) for one, other in itertools.combinations(range(8), 2) if (rows[one] == rows[other]).any()]
    assert alike == [(0, 1)]
    assert (rows[0] == rows[1]).all()


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_no_threads_that_a_forked_worker_would_wait_for() -> None:
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    signatures([f"text {number}" for number in range(5000)], settings())
    assert len(list(tasks.iterdir())) == before


@pytest.mark.parametrize("permutations", [64, 128, 1024])
@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
def test_bands_compare_nearly_all_pairs_at_the_threshold(permutations: int, threshold: float) -> None:
    bands, rows = bands_and_rows(permutations, threshold)
    assert bands * rows <= permutations
    found = 1 - (1 - threshold**rows) ** bands
    assert found > 0.98


def test_a_pair_far_below_the_threshold_is_rarely_compared() -> None:
    bands, rows = bands_and_rows(128, 0.8)
    assert (bands, rows) == (18, 7)
    assert 1 - (1 - 0.2**rows) ** bands < 0.001


@hypothesis_settings(deadline=None)
@given(SMALL, st.sampled_from([0.3, 0.5, 0.8]))
def test_clusters_are_the_connected_components(rows: np.ndarray, threshold: float) -> None:
    count, (bands, width) = len(rows), bands_and_rows(16, threshold)
    labels = list(range(count))
    for one, other in itertools.combinations(range(count), 2):
        agree = rows[one] == rows[other]
        compared = agree.all() or agree[: bands * width].reshape(bands, width).all(axis=1).any()
        if compared and agree.mean() >= threshold:
            labels = [labels[one] if label == labels[other] else label for label in labels]
    keep = near_duplicates([rows], np.zeros(count, dtype=np.int64), threshold)
    assert [keep[one] == keep[other] for one in range(count) for other in range(count)] == [
        labels[one] == labels[other] for one in range(count) for other in range(count)
    ]


@hypothesis_settings(deadline=None)
@given(SMALL, st.lists(st.integers(0, 9)), st.sampled_from([0.3, 0.5, 0.8]), st.data())
def test_what_stays_does_not_depend_on_the_parts(
    rows: np.ndarray, borders: list[int], threshold: float, data: st.DataObject
) -> None:
    lengths = data.draw(arrays(np.int64, len(rows), elements=st.integers(0, 3)))
    parts = np.split(rows, sorted(min(border, len(rows)) for border in borders))
    whole = near_duplicates([rows], lengths, threshold)
    assert near_duplicates(parts, lengths, threshold).tolist() == whole.tolist()
    assert (whole[whole] == whole).all()
    assert (lengths[whole] >= lengths).all()


def test_the_longest_stays_and_of_equal_ones_the_first() -> None:
    rows = np.zeros((6, 16), dtype=np.uint32)
    rows[[1, 4]] = 7
    keep = near_duplicates([rows], np.array([1, 5, 3, 3, 5, 2]), 0.8)
    assert keep.tolist() == [2, 1, 2, 2, 1, 2]
    assert clusters(keep, 5) == [(1, [4]), (2, [0, 3, 5])]
    assert clusters(keep, 1) == [(1, [4])]
    assert clusters(keep, 0) == []


def test_chains_are_one_cluster() -> None:
    rows = np.arange(3 * 16, dtype=np.uint32).reshape(3, 16)
    rows[1, :8] = rows[0, :8]
    rows[1, 8:] = rows[2, 8:]
    assert near_duplicates([rows], np.array([3, 2, 1]), 0.5).tolist() == [0, 0, 0]
    assert near_duplicates([rows[[0, 2]]], np.array([3, 1]), 0.5).tolist() == [0, 1]


def test_no_documents_and_one() -> None:
    assert near_duplicates([], np.empty(0, dtype=np.int64), 0.5).tolist() == []
    empty = np.empty((0, 16), dtype=np.uint32)
    assert near_duplicates([empty, np.ones((1, 16), dtype=np.uint32), empty], np.array([3]), 0.5).tolist() == [0]
    assert clusters(np.arange(3), 4) == []


def test_boilerplate_is_one_cluster_beside_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """30,000 equal documents, as many with a tenth of the signature changed: their pairs are not all looked at."""
    generator = np.random.default_rng(0)
    rows = np.tile(generator.integers(2**32, size=64, dtype=np.uint32), (60_002, 1))
    other = generator.random((30_000, 64)) < 0.1
    rows[30_000:60_000][other] = generator.integers(2**32, size=other.sum(), dtype=np.uint32)
    rows[60_000:] = generator.integers(2**32, size=64, dtype=np.uint32)
    compared = []
    similarity = module.SignatureTable.similarity

    def counted(self: module.SignatureTable, left: module.Indices, right: module.Indices) -> np.ndarray:
        compared.append(len(left))
        return similarity(self, left, right)

    monkeypatch.setattr(module.SignatureTable, "similarity", counted)
    keep = near_duplicates([rows], np.zeros(60_002, dtype=np.int64), 0.7)
    assert keep.tolist() == [0] * 60_000 + [60_000] * 2
    assert sum(compared) < 4 * 60_000


def test_what_was_written_to_a_private_mapping_stays(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(32, dtype=np.uint32).reshape(2, 16))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="c")
    rows[1] = rows[0]
    assert near_duplicates([rows], np.zeros(2, dtype=np.int64), 0.5).tolist() == [0, 0]
    assert (rows[0] == rows[1]).all()


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200,000 documents in ten mapped files: the keys of all bands at once would be another 50 MB."""
    generator = np.random.default_rng(0)
    for part in range(10):
        rows = generator.integers(2**32, size=(20_000, 64), dtype=np.uint32)
        rows[1::20] = rows[0::20]
        np.save(tmp_path / f"{part}.npy", rows)
    mapped = [np.load(tmp_path / f"{part}.npy", mmap_mode="r") for part in range(10)]
    monkeypatch.setattr(module, "_KEYS", 8 << 20)
    near_duplicates([rows[:100]], np.zeros(100, dtype=np.int64), 0.7)  # what is imported is not counted
    tracemalloc.start()
    keep = near_duplicates(mapped, np.zeros(200_000, dtype=np.int64), 0.5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = np.arange(200_000)
    expected[1::20] -= 1
    assert keep.tolist() == expected.tolist()
    # 8 MB of keys, 16 MB of signatures and their comparison, 100 bytes a document
    assert peak < (8 + 16 + 20) << 20
