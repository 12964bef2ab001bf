"""Tokenizer files from a stranger: text for the ``tokenizers`` library, no larger than the model's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain_adapt.checkpoints.untrusted.configs import check_keys
from domain_adapt.checkpoints.untrusted.json_files import check_depth, read_bounded, read_json
from domain_adapt.checkpoints.untrusted.tensors import label_of
from domain_adapt.errors import DomainAdaptError

TOKENIZER = "tokenizer.json"
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_VOCABULARIES = (TOKENIZER, "vocab.json", "vocab.txt", "merges.txt")
# Bytes an entry of the vocabulary: 24 in BERT's tokenizer.json, 36 to 68 in XLM-R's, 134 in mmBERT's, merges included.
_BYTES_AN_ENTRY = 512
# Commas an entry bound the objects that parsers make: 1 in BERT's, 2 in XLM-R's, 5.5 in mmBERT's (a merge has 2).
_COMMAS_AN_ENTRY = 16
_SPARE_BYTES, _SPARE_COMMAS = 4 * 2**20, 100_000  # what does not grow with the vocabulary: normalisers, added tokens
_UNKNOWN_ENTRIES = 300_000  # where there are no weights to compare with: more than XLM-R has
_PATHS = ("vocab_file", "merges_file", "tokenizer_file", "spm_file", "sentencepiece_model_file", "added_tokens_file")


def check_tokenizer(folder: Path, name: str, entries: int | None = None) -> None:
    """Checks the tokenizer files of a folder before a library reads them; a folder without any passes.

    Args:
        folder: The model's folder.
        name: What the user called it.
        entries: Rows of the embedding table in the weights; None if there are none.

    Raises:
        DomainAdaptError: If they name code or files elsewhere, are larger or deeper than a tokenizer of so many entries
            can be, or there is only a kind that the ``tokenizers`` library does not read.
    """
    for file in _SETTINGS:
        if (folder / file).exists():
            _check_settings(read_json(folder / file, label_of(name, folder / file)), label_of(name, folder / file))
    there = [file for file in _VOCABULARIES if (folder / file).exists()]
    models = sorted(path.name for path in folder.glob("*.model"))
    if models and TOKENIZER not in there:
        raise DomainAdaptError(
            f"{label_of(name, folder / models[0])}: a SentencePiece model alone; expected {TOKENIZER}",
            hint="save it once with AutoTokenizer.from_pretrained(...).save_pretrained(...), where sentencepiece is",
        )
    rows = _UNKNOWN_ENTRIES if entries is None else entries
    for file in there:
        label = label_of(name, folder / file)
        data = read_bounded(folder / file, label, _SPARE_BYTES + _BYTES_AN_ENTRY * rows)
        if file.endswith(".json"):
            commas, most = data.count(b","), _SPARE_COMMAS + _COMMAS_AN_ENTRY * rows
            if commas > most:
                raise DomainAdaptError(f"{label}: {commas:,} values are too many for a vocabulary of {rows:,} entries")
            check_depth(data, label)


def _check_settings(settings: dict[str, Any], label: str) -> None:
    check_keys(settings, label)
    if settings.get("init_inputs"):  # passed on to the class as they are: the first is a file in most classes
        raise DomainAdaptError(f"{label} has init_inputs: files of its own choice would be read")
    for key in _PATHS:
        value = settings.get(key)
        if isinstance(value, str) and Path(value).name != value:
            raise DomainAdaptError(
                f"{label}: {key} names a file elsewhere: {value!r:.80}", hint=f"remove {key} from it: it is not needed"
            )
