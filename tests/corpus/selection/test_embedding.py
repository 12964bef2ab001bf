"""Vectors of texts, against the BERT that mini is made from, one text at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertModel, BertTokenizerFast

from domain_adapt import mini
from domain_adapt.corpus.selection import embedding

TEXTS = ["Bonds pay a coupon twice a year.", "", "Fever and cough. " * 90, "Naïve 心臓", "The heart pumps blood."]


@pytest.mark.parametrize("texts_at_a_time", [2, 64])
def test_vectors_are_normalised_means_of_the_first_256_tokens(
    mini_folder: Path, texts_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_TEXTS", texts_at_a_time)
    monkeypatch.setattr(embedding, "has_fast_bf16", lambda device: False)
    found = embedding.load_embedder(mini_folder)(TEXTS)
    package = mini._package_folder()
    original = BertModel.from_pretrained(package, dtype=torch.float32).eval()
    tokenizer = BertTokenizerFast.from_pretrained(package)
    for text, vector in zip(TEXTS, found, strict=True):
        batch = tokenizer(text, truncation=True, max_length=256, padding=False, return_tensors="pt")
        with torch.no_grad():
            mean = original(**batch).last_hidden_state[0].mean(dim=0)
        expected = (mean / mean.norm()).numpy()
        assert vector.astype(np.float32) == pytest.approx(expected, abs=2e-4)  # float16 has 11 bits


def test_no_texts_give_no_vectors(mini_folder: Path) -> None:
    found = embedding.load_embedder(mini_folder)([])
    assert found.shape == (0, 384) and found.dtype == np.float16
