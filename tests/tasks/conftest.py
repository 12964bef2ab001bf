from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

TEXT = [
    "The Amazon rainforest (Portuguese: Floresta Amazônica) covers 7,000,000 square kilometres.",
    "Patients with fever, cough and chest pain were examined on the second day.",
    "Who examined the patients, and on which day did the fever begin?",
]


@pytest.fixture(scope="session")
def wordpiece(tiny_wordpiece: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_wordpiece)


@pytest.fixture(scope="session")
def byte_bpe() -> Any:
    """A byte-level BPE tokenizer whose pairs are ``<s> a </s></s> b </s>``, as RoBERTa has them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=350, special_tokens=special, initial_alphabet=alphabet)
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        unk_token="<unk>",
        model_max_length=128,
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.fixture(scope="session", params=["wordpiece", "byte_bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)
