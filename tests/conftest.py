"""A tokenizer and a model small enough to build in every test session."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from domain_adapt.adapt import adapt
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.training.freezing import set_dropout
from domain_adapt.workspace import Workspace

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


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A second thread makes models of this size slower, and much slower where the machine is busy."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_wordpiece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a WordPiece tokenizer of some 200 entries, pairs as ``[CLS] a [SEP] b [SEP]``.

    The vocabulary is put together and not trained: the trainer breaks ties by hash order, differently in each process.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    text = " ".join(SENTENCES).lower()
    letters = sorted({*text, *"abcdefghijklmnopqrstuvwxyz0123456789"} - {" "})
    words = sorted(set(re.findall(r"[a-z]{2,}", text)))
    vocabulary = [*special, *letters, *(f"##{letter}" for letter in letters), *words]
    tokenizer = Tokenizer(models.WordPiece({token: id for id, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
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


_WIDTH = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_SHAPES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(["roberta", "xlm-roberta", "camembert", "bert", "deberta-v2"], _WIDTH),
    **dict.fromkeys(["electra", "albert"], _WIDTH | {"embedding_size": 32}),
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "modernbert": _WIDTH
    | {"local_attention": 8, "global_attn_every_n_layers": 2}
    | {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
}


@pytest.fixture(scope="session")
def build() -> Callable[[str], PreTrainedModel]:
    """Makes a masked LM of a model type: 90 entries, two layers, large random weights, no dropout."""

    def build(kind: str) -> PreTrainedModel:
        shape = {"vocab_size": 90, "pad_token_id": 0, "max_position_embeddings": 80, "initializer_range": 0.2}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **shape, **_SHAPES[kind])).eval()
        set_dropout(model, 0.0)
        return model

    return build


@dataclass(frozen=True)
class Project:
    """A workspace with a domain ``heart`` and a task ``qa`` that a second's training is enough for."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        return self.workspace.root

    @property
    def texts(self) -> Path:
        return self.root / "corpora" / "heart" / "texts"

    @property
    def published(self) -> list[str]:
        """References of all checkpoints."""
        return [one.ref for one in CheckpointStore(self.workspace.checkpoints).list()]

    @property
    def leftovers(self) -> list[str]:
        """Run folders and staging folders that are still there."""
        runs = [path.name for path in self.workspace.runs.glob("*") if path.is_dir()]
        return runs + [path.name for path in self.workspace.checkpoints.glob(".staging-*")]


def make_questions(count: int, seed: int) -> list[dict[str, Any]]:
    """Questions whose answer is the one sign of illness in the context: learnt in a few dozen steps."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        words = list(generator.choice(["the", "and", "of", "second", "day", "was", "in", "a"], size=8))
        words.insert(int(generator.integers(8)), str(generator.choice(["fever", "cough", "pain"])))
        context = " ".join(words)
        answer = next(word for word in words if word in ("fever", "cough", "pain"))
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
        rows.append({"id": f"{seed}-{number}", "context": context, "question": "Who?", "answers": answers})
    return rows


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Writes one JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


DOMAIN_TOML = """
name = "heart"
description = "sentences about hearts and bonds"
base = "{base}"
[[sources]]
kind = "files"
path = "texts"
licence = "CC0-1.0"
[corpus]
block_size = 32
holdout = 0.1
[budget]
epochs = 1
[mlm]
learning_rate = 1e-3
batch_size = 8
[runtime]
precision = "fp32"
threads = 1
device = "cpu"
[profiles.quick]
[profiles.long.budget]
epochs = 2
"""

TASK_TOML = """
name = "qa"
type = "question-answering"
description = "find the sign of illness"
base = "{base}"
[data.heart]
train = "train.jsonl"
dev = "dev.jsonl"
licence = "CC0-1.0"
[data.nodev]
train = ["train.jsonl"]
[budget]
epochs = 2
[finetune]
learning_rate = 3e-3
batch_size = 8
[question_answering]
max_length = 32
stride = 8
[runtime]
precision = "fp32"
threads = 1
device = "cpu"
"""


def write_project(root: Path, base: Path) -> Project:
    """Writes recipes, 60 documents and 64 questions below ``root``."""
    project = Project(Workspace(root))
    project.texts.mkdir(parents=True)
    words = " ".join(SENTENCES).split()
    generator = np.random.default_rng(0)
    documents = [{"id": n, "text": " ".join(generator.choice(words, size=30))} for n in range(60)]
    write_jsonl(project.texts / "a.jsonl", documents[:40])
    write_jsonl(project.texts / "b.jsonl", documents[40:])
    (project.texts.parent / "domain.toml").write_text(DOMAIN_TOML.format(base=base), encoding="utf-8")
    task = project.workspace.tasks / "qa"
    task.mkdir(parents=True)
    (task / "task.toml").write_text(TASK_TOML.format(base=base), encoding="utf-8")
    write_jsonl(task / "train.jsonl", make_questions(64, 0))
    write_jsonl(task / "dev.jsonl", make_questions(20, 1))
    return project


@pytest.fixture
def project(tmp_path: Path, tiny_model_folder: Path) -> Project:
    """A project of its own for one test; nothing is published in it yet."""
    return write_project(tmp_path / "project", tiny_model_folder)


@pytest.fixture(scope="session")
def _adapted_once(tmp_path_factory: pytest.TempPathFactory, tiny_model_folder: Path) -> Path:
    project = write_project(tmp_path_factory.mktemp("adapted") / "project", tiny_model_folder)
    adapt("heart", workspace=project.workspace)
    return project.root


@pytest.fixture
def adapted(_adapted_once: Path, tmp_path: Path) -> Project:
    """A copy of a project in which ``heart@v1`` has been published."""
    return Project(Workspace(Path(shutil.copytree(_adapted_once, tmp_path / "adapted"))))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``run(project, "adapt", ...)`` is the command line in this process; returns exit code, stdout and stderr."""

    from domain_adapt import (
        cli,
        cli_checkpoints,
        cli_compare,
        cli_corpus,
        cli_finetune,
        cli_hub,
        cli_merge,
        cli_questions,
    )

    commands = (cli, cli_checkpoints, cli_compare, cli_corpus, cli_finetune, cli_hub, cli_merge, cli_questions)

    def run(project: Project, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(project.root)
        monkeypatch.setattr(sys, "argv", ["domain-adapt", *arguments])
        for module in commands:  # process-wide settings have tests of their own
            monkeypatch.setattr(module, "prepare_process", lambda: None)
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# Tokenizers of every family whose words are told apart, small and put together by hand: trainers break ties by hash
# order, differently in each process.
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TEXTS = [
    "Myocardial infarction is the death of heart muscle after its blood supply has stopped.",
    "Bonds pay a coupon twice a year, and their price falls when market yields rise.",
    "A café's naïve co-pay (of 12.5mg), don't! 中文 字かナ 😀👍 한국 Дом U.S. x2b",
]


def fast(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Wraps a tokenizer with RoBERTa's special tokens."""
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(names, SPECIAL, strict=True)),
        cls_token="<s>",
        sep_token="</s>",
    )


def chunks(words: list[str], sizes: tuple[int, ...] = (2, 3, 5)) -> list[str]:
    """Returns pieces of the words of two, three and five characters, so that most words take several."""
    return sorted({word[at : at + size] for word in words for size in sizes for at in range(0, len(word), size)})


def merges_of(pieces: list[str]) -> list[tuple[str, str]]:
    """Returns BPE merges that build each piece from left to right."""
    return list(dict.fromkeys((piece[:end], piece[end]) for piece in pieces for end in range(1, len(piece))))


def byte_level(sizes: tuple[int, ...] = (2, 3, 5)) -> PreTrainedTokenizerFast:
    """Byte-level BPE as in RoBERTa; some pieces hold parts of characters.

    With pieces of two alone every entry of the vocabulary is what its own letters are merged to, as in trained ones.
    """
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [word for text in TEXTS for word, _ in splitter.pre_tokenize_str(" " + text)]
    merges = merges_of(chunks(words, sizes))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = list(dict.fromkeys([*SPECIAL, *alphabet, *(left + right for left, right in merges)]))
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(vocabulary)}, merges))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    return fast(tokenizer)


def sentence_pieces() -> list[str]:
    """Returns letters and pieces of words; one emoji is left out, as what is unknown must be tested too."""
    text = "▁".join(["", *" ".join(TEXTS).replace("😀", "").split()])
    letters = sorted({*text, *"abcdefghijklmnopqrstuvwxyz0123456789"})
    mixed = ["U.S", "▁(", "x-", "字か", "A中"]  # seldom, pieces join what is not a word
    return list(dict.fromkeys([*letters, *mixed, *chunks(re.findall(r"▁?\w+", text))]))


def unigram() -> PreTrainedTokenizerFast:
    """SentencePiece's Unigram as in XLM-R; the fewest pieces win, and what it does not know is ``<unk>``."""
    pieces = [(token, 0.0) for token in SPECIAL] + [(piece, -10.0) for piece in sentence_pieces()]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return fast(tokenizer)


def byte_fallback() -> PreTrainedTokenizerFast:
    """SentencePiece's BPE as in Gemma: spaces replaced by a normalizer, unknown characters spelt in bytes."""
    pieces = sentence_pieces()
    merges = merges_of([piece for piece in pieces if len(piece) > 1])
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = list(dict.fromkeys([*SPECIAL, *fallback, *pieces, *(left + right for left, right in merges)]))
    model = models.BPE(
        {token: id for id, token in enumerate(vocabulary)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return fast(tokenizer)


@pytest.fixture(scope="session")
def tokenizers(tiny_wordpiece) -> dict[str, PreTrainedTokenizerFast]:
    """One tokenizer a family."""
    makers: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
        "byte-level": byte_level,
        "unigram": unigram,
        "byte-fallback": byte_fallback,
    }
    return {"wordpiece": AutoTokenizer.from_pretrained(tiny_wordpiece)} | {
        name: make() for name, make in makers.items()
    }


@pytest.fixture(scope="session")
def reachable_byte_level() -> PreTrainedTokenizerFast:
    """Byte-level BPE whose merges lead to every entry of its vocabulary."""
    return byte_level((2,))
