from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.stop_words import STOP_WORDS
from domain_adapt.corpus.vocabulary import Vocabulary, count_words, overlap, top_words, words_of

WORDS = st.lists(st.sampled_from(["heart", "bond", "the", "fever", "coupon", "of"]), max_size=60)


def test_words_are_runs_of_two_letters_or_more():
    assert words_of("The women's B12 x-ray, 37.5 °C: naïve Ärzte") == ["the", "women", "ray", "naïve", "ärzte"]


def test_the_most_frequent_content_words_ties_by_alphabet():
    assert top_words({"the": 9, "vein": 2, "aorta": 2, "heart": 5, "gone": 0}, 2) == ["heart", "aorta"]
    assert {"the", "don", "ll", "without"} <= STOP_WORDS and "heart" not in STOP_WORDS


def test_overlap_compares_as_many_words_of_each():
    one = {"heart": 5, "vein": 4, "aorta": 3, "the": 99}
    assert overlap(one, {"heart": 1, "coupon": 9}) == (0.5, 2)  # heart and vein against coupon and heart
    assert overlap(one, {"vein": 9, "coupon": 5}, 1) == (0.0, 1)
    assert overlap(one, {}) == (0.0, 0)


@given(WORDS, WORDS)
def test_overlap_is_symmetric_and_a_share(one, other):
    first, second = Counter(one), Counter(other)
    share, words = overlap(first, second)
    assert (share, words) == overlap(second, first) and 0 <= share <= 1
    assert overlap(first, first)[0] == (1.0 if set(one) - STOP_WORDS else 0.0)


def test_rare_words_are_forgotten_where_there_are_too_many():
    vocabulary = Vocabulary(most=50)
    for number in range(676):
        vocabulary.add(f"heart qx{chr(97 + number // 26)}{chr(97 + number % 26)}")
        assert len(vocabulary.counts) <= 50
    assert vocabulary.counts["heart"] == 676 and vocabulary.words == 2 * 676


def test_counts_of_texts():
    assert count_words(["A fever", "fever of the heart"]) == {"fever": 2, "of": 1, "the": 1, "heart": 1}
