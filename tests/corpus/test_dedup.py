from __future__ import annotations

from domain_adapt.corpus.dedup import ExactDeduplicator, content_hash


def test_case_and_spacing_do_not_make_a_text_new() -> None:
    assert content_hash("Straße  in\n\nBern") == content_hash("STRASSE in bern")
    assert content_hash("Bern") != content_hash("Berne")


def test_second_coming_is_not_new() -> None:
    deduplicator = ExactDeduplicator()
    digests = [content_hash(text) for text in ("one", "two", "ONE", "two", "three")]
    assert [deduplicator.is_new(digest) for digest in digests] == [True, True, False, False, True]
