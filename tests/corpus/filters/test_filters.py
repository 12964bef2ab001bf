import pickle

from domain_adapt.corpus.filters import Dropped, build_filters
from domain_adapt.recipes import CorpusSettings

GERMAN = "Der Patient klagt seit drei Tagen über Schmerzen in der Brust. Das EKG war unauffällig."


def settings(**filters: object) -> CorpusSettings:
    return CorpusSettings.model_validate({"filters": filters})


def test_nothing_is_on_by_default() -> None:
    assert build_filters(CorpusSettings()) == []


def test_what_is_on_comes_in_one_order_however_it_is_named() -> None:
    chosen = settings(rules=["gopher-repetition", "gopher-quality", "c4"], languages=["en"])
    assert [name for name, _ in build_filters(chosen)] == ["c4", "gopher-quality", "gopher-repetition", "language"]


def test_filters_go_to_other_processes_with_their_settings() -> None:
    chosen = settings(rules=["c4", "gopher-quality"], languages=["en"], min_words=5, min_sentences=2)
    sent = dict(pickle.loads(pickle.dumps(build_filters(chosen))))
    assert sent["c4"](f"Menu\n{GERMAN}") == GERMAN
    assert sent["gopher-quality"]("of the four words") == Dropped("too few words", "4, expected at least 5")
    assert sent["language"](GERMAN).reason == "language: de"
