"""A tokenizer and a model small enough to build in every test session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

SENTENCES = [
    "Myocardial infarction is the death of heart muscle after its blood supply has stopped.",
    "The left ventricle pumps blood into the aorta; the right one into the pulmonary artery.",
    "A fiduciary must act in the interest of the beneficiary and avoid conflicts of interest.",
    "Bonds pay a coupon twice a year, and their price falls when market yields rise.",
    "Patients with fever, cough and chest pain were examined on the second day.",
    "The committee raised its target rate by a quarter of a percentage point.",
    "Who examined the patients, and on which day did the fever begin?",
    "What does a bond pay, and when does its price fall?",
]


@pytest.fixture(scope="session")
def tiny_wordpiece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a WordPiece tokenizer of about 400 entries, pairs as ``[CLS] a [SEP] b [SEP]``."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=400, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("tiny-wordpiece")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=128,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model_folder(tiny_wordpiece: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a two-layer RoBERTa masked LM (64 wide, seed 0) and the tiny tokenizer."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tiny_wordpiece)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=130,
        type_vocab_size=1,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RobertaForMaskedLM(config)
    folder = tmp_path_factory.mktemp("tiny-model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
