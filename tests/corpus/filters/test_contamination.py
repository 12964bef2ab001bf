import hashlib
import pickle
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.cleaning import normalise_lines
from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.contamination import decontaminator, evaluation_ngrams


def words(number: int, count: int) -> list[str]:
    """Words that only the passage of this number has."""
    return [f"p{number}w{place}" for place in range(count)]


TEST_SPLIT = [" ".join(words(number, 30)).capitalize() + "." for number in range(20)]
FILLER = [
    f"Paragraph {n} speaks of other things, such as {', '.join(f'f{n}v{k}' for k in range(20))}." for n in range(9)
]


def document(inner: str) -> str:
    return "\n\n".join([*FILLER[:4], inner, *FILLER[4:]])


def hidden(number: int, passage: str) -> str:
    """The passage in a longer document, each time written otherwise."""
    ways = [
        passage,
        passage.upper(),
        passage.replace(" ", ",  "),
        "\n".join(textwrap.wrap(passage, 40)),
        f"As is known, {' '.join(passage.split()[9:22])} and so on.",  # 13 words of it
    ]
    return normalise_lines(document(ways[number % len(ways)]))


@pytest.fixture(scope="module")
def ngrams():
    return evaluation_ngrams(TEST_SPLIT, 13)


def test_twenty_passages_of_a_test_split_are_found(ngrams) -> None:
    drop = decontaminator(ngrams, "drop")
    for number, passage in enumerate(TEST_SPLIT):
        first = 9 if number % 5 == 4 else 0
        assert drop(hidden(number, passage)) == Dropped("contaminated", " ".join(words(number, 30)[first : first + 13]))


def test_near_misses_are_kept(ngrams) -> None:
    drop = decontaminator(ngrams, "drop")
    for number in range(20):
        own = words(number, 30)
        twelve = [*own[:12], "another", *own[13:25], "another"]
        assert drop(document(" ".join(twelve))) == document(" ".join(twelve))
        backwards = document(" ".join(own[::-1]))
        assert drop(backwards) == backwards
        every_other = document(" ".join(own[::2]))
        assert drop(every_other) == every_other


def test_cutting_leaves_the_other_paragraphs(ngrams) -> None:
    cut = decontaminator(ngrams, "cut")
    for number, passage in enumerate(TEST_SPLIT):
        assert cut(hidden(number, passage)) == "\n\n".join(FILLER)


def test_cutting_takes_all_paragraphs_over_which_an_ngram_goes(ngrams) -> None:
    cut = decontaminator(ngrams, "cut")
    own = words(3, 30)
    text = "\n\n".join(
        [FILLER[0], f"Say {' '.join(own[:6])}", " ".join(own[6:9]), f"{' '.join(own[9:13])} end.", FILLER[1]]
    )
    assert cut(text) == "\n\n".join(FILLER[:2])


def test_where_no_line_is_blank_lines_are_paragraphs_unless_hard_wrapped(ngrams) -> None:
    cut = decontaminator(ngrams, "cut")
    own = words(3, 30)
    lines = [*FILLER[:3], f"Say {' '.join(own[:6])}", f"{' '.join(own[6:13])} end.", *FILLER[3:]]
    assert cut("\n".join(lines)) == "\n".join(FILLER)
    wrapped = "\n".join(textwrap.wrap(f"{FILLER[0]} {TEST_SPLIT[3]} {FILLER[1]}", 60))
    assert isinstance(cut(wrapped), Dropped)


def test_where_nothing_is_left_the_document_is_dropped(ngrams) -> None:
    answer = decontaminator(ngrams, "cut")(TEST_SPLIT[0])
    assert answer == Dropped("contaminated", " ".join(words(0, 13)))


def test_a_word_divided_at_a_line_end_hides_nothing() -> None:
    drop = decontaminator(evaluation_ngrams(["The short-term myocardial infarction rate was three"], 7), "drop")
    assert drop("the short-term myocardial infarc-\ntion rate was") == Dropped(
        "contaminated", "the short term myocardial infarction rate was"
    )
    assert isinstance(drop("the short-\nterm myocardial infarction rate was"), Dropped)
    assert drop("the short-term myo-\nclonic infarction rate was") == "the short-term myo-\nclonic infarction rate was"


def test_texts_of_fewer_words_count_for_nothing() -> None:
    assert len(evaluation_ngrams(["What are the symptoms of asthma?", ""], 13).hashes) == 0
    assert len(evaluation_ngrams(TEST_SPLIT, 13).hashes) == 20 * (30 - 13 + 1)
    keep = decontaminator(evaluation_ngrams([], 13), "drop")
    assert keep(TEST_SPLIT[0]) == TEST_SPLIT[0]


def test_no_ngram_goes_from_one_text_into_the_next() -> None:
    halves = evaluation_ngrams([" ".join(words(0, 12)), " ".join(words(1, 12))], 13)
    assert len(halves.hashes) == 0


def test_the_key_is_of_the_content(ngrams) -> None:
    assert ngrams.key == evaluation_ngrams([*reversed(TEST_SPLIT), TEST_SPLIT[0].upper()], 13).key
    assert ngrams.key != evaluation_ngrams(TEST_SPLIT[1:], 13).key
    assert evaluation_ngrams([], 13).key != evaluation_ngrams([], 12).key


def test_hashes_are_the_same_in_every_process() -> None:
    # Cached corpora depend on them, so here is the definition once more, in whole numbers.
    hashes = []
    for gram in (["fever", "began", "on"], ["began", "on", "monday"]):
        value = 0
        for word in gram:
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            value = (value * 0x9E3779B97F4A7C15 + int.from_bytes(digest, "little")) % 2**64
        hashes.append(value)
    found = evaluation_ngrams(["Fever began\non MONDAY!"], 3)
    assert found.hashes.tolist() == sorted(hashes)
    packed = (3).to_bytes(8, "little") + b"".join(value.to_bytes(8, "little") for value in sorted(hashes))
    assert found.key == hashlib.sha256(packed).hexdigest()


def test_a_filter_can_be_sent_to_another_process(ngrams) -> None:
    sent = pickle.loads(pickle.dumps(decontaminator(ngrams, "drop")))
    assert isinstance(sent(hidden(0, TEST_SPLIT[0])), Dropped)
    assert sent(document("")) == document("")


@given(
    st.lists(st.text("abß", min_size=1, max_size=2), max_size=20),
    st.lists(st.text("abß", min_size=1, max_size=2), max_size=12),
    st.integers(1, 4),
    st.sampled_from([" ", "\n", "\n\n", ", "]),
)
def test_a_document_is_dropped_if_and_only_if_it_shares_an_ngram(
    document: list[str], evaluation: list[str], n: int, between: str
) -> None:
    def grams(of: list[str]) -> set[tuple[str, ...]]:
        folded = [word.casefold() for word in of]
        return {tuple(folded[i : i + n]) for i in range(len(folded) - n + 1)}

    text = between.join(document)
    answer = decontaminator(evaluation_ngrams([" ".join(evaluation)], n), "drop")(text)
    assert isinstance(answer, Dropped) == bool(grams(document) & grams(evaluation))
    if isinstance(answer, Dropped):
        assert tuple(answer.detail.split()) in grams(document) & grams(evaluation)
