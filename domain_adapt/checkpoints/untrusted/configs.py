"""``config.json`` from a stranger: no key that makes a library run or fetch something, no size that no encoder has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from domain_adapt.errors import DomainAdaptError

# What each key would do in transformers or diffusers.
FORBIDDEN = {
    "auto_map": "it would run Python code of its own",
    "custom_pipelines": "it would run Python code of its own",
    "custom_generate": "it would run Python code of its own",
    "trust_remote_code": "it asks for code of its own to be run",
    "quantization_config": "it would load another library for quantised weights, which cannot be trained further",
    "configuration_files": "another file would be read in the place of config.json",
    "fast_tokenizer_files": "another file would be read in the place of tokenizer.json",
    "transformers_weights": "another file would be read in the place of model.safetensors",
}
_IMPLEMENTATIONS = ("attn_implementation", "_attn_implementation", "experts_implementation", "use_kernels")
_PLAIN_WORD = re.compile(r"^[a-z0-9_]+$")  # "owner/name" is a kernel that transformers downloads and runs

# Key -> (least, most). The largest public encoders: XLM-R XXL (48 layers of 4,096, 32 heads, 16,384 inside),
# DeBERTa-v2 XXL (48 layers of 1,536), XLM-V (901,629 entries), ModernBERT (8,192 positions); decoders' contexts end at
# a million. Twice that, rounded up, is room enough.
_LAYERS, _WIDTH, _POSITIONS = (1, 128), (1, 8_192), (1, 2**20)
LIMITS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("num_hidden_layers", "n_layers", "num_hidden_groups"), _LAYERS),
    **dict.fromkeys(("hidden_size", "dim", "embedding_size", "pooler_hidden_size", "attention_head_size"), _WIDTH),
    **dict.fromkeys(("intermediate_size", "hidden_dim"), (1, 4 * _WIDTH[1])),
    **dict.fromkeys(("num_attention_heads", "n_heads"), (1, 128)),
    "vocab_size": (1, 2_000_000),
    "max_position_embeddings": _POSITIONS,
    "max_relative_positions": (-1, _POSITIONS[1]),  # -1: as many as positions (DeBERTa)
    "position_buckets": (-1, _POSITIONS[1]),
    "type_vocab_size": (0, 64),  # 0 in DeBERTa, 2 in BERT
    "inner_group_num": (1, 16),  # 1 in every ALBERT
    "conv_kernel_size": (0, 31),  # 3 in DeBERTa-v2
    "conv_groups": (1, _WIDTH[1]),
    "num_labels": (0, 65_536),  # ImageNet-21k, the most that is common, has 21,843
    "global_attn_every_n_layers": (1, _LAYERS[1]),
    "local_attention": (1, _POSITIONS[1]),
}
_SHARES = ("dropout", "dropout_prob", "dropout_p", "_eps")  # ends of keys whose values lie in [0, 1]
_DECODER = ("is_decoder", "add_cross_attention", "is_encoder_decoder")
_WIDTH_AND_HEADS = (("hidden_size", "dim"), ("num_attention_heads", "n_heads"))


def check_config(config: dict[str, Any], label: str) -> None:
    """Checks what ``config.json`` says before anything is made by its word.

    Raises:
        DomainAdaptError: If it names code or other files, or a size is missing, of the wrong type or out of range.
    """
    check_keys(config, label)
    _check_names(config, label)
    for key, (least, most) in LIMITS.items():
        if key in config and config[key] is not None:
            value = config[key]
            if type(value) is not int or not least <= value <= most:
                raise DomainAdaptError(
                    f"{label}: {key} is {value!r:.40}, expected a whole number from {least:,} to {most:,}"
                )
    for key, value in config.items():
        if "layer" in key and type(value) is int and value > _LAYERS[1]:  # of model types that LIMITS does not name
            raise DomainAdaptError(f"{label}: {key} is {value!r:.40}, expected at most {_LAYERS[1]}")
        if key.endswith(_SHARES) and value is not None and not _is_share(value):
            raise DomainAdaptError(f"{label}: {key} is {value!r:.40}, expected a number from 0 to 1")
        if key in _DECODER and value:
            raise DomainAdaptError(f"{label}: {key} is set: it is not an encoder")
    width, heads = (config.get(first) or config.get(second) for first, second in _WIDTH_AND_HEADS)
    if width and heads and width % heads:
        raise DomainAdaptError(f"{label}: a hidden size of {width} cannot be split over {heads} attention heads")
    for key in ("id2label", "label2id"):
        table = config.get(key)
        if table is not None and (not isinstance(table, dict) or len(table) > LIMITS["num_labels"][1]):
            raise DomainAdaptError(f"{label}: {key}: expected a table of at most {LIMITS['num_labels'][1]:,} labels")


def check_keys(settings: dict[str, Any], label: str) -> None:
    """Raises DomainAdaptError if a key at any depth would make a library run or fetch something."""
    for key, value in _items(settings):
        if key in FORBIDDEN and value not in (None, False):
            raise DomainAdaptError(
                f"{label} has {key}: {FORBIDDEN[key]}, which is never done",
                hint="choose a base that stock code of transformers loads as it is",
            )
        if key in _IMPLEMENTATIONS and not (value in (None, False) or _is_plain_word(value)):
            raise DomainAdaptError(f"{label}: {key} names code to be fetched: {value!r:.80}")


def count_labels(config: dict[str, Any]) -> int:
    """Returns the outputs of the head that transformers would make; 2 where the config says nothing."""
    table, number = config.get("id2label"), config.get("num_labels")
    return max(len(table) if isinstance(table, dict) else 0, number if isinstance(number, int) else 0) or 2


def _check_names(config: dict[str, Any], label: str) -> None:
    """Raises DomainAdaptError if the names of the model's type and classes are no names."""
    architectures = config.get("architectures") or []
    names = [*architectures, config.get("model_type") or ""] if isinstance(architectures, list) else [None]
    if len(names) > 8 or not all(isinstance(one, str) and len(one) <= 80 for one in names):
        raise DomainAdaptError(f"{label}: architectures and model_type: expected a list of names and a name")


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields every key and value at any depth; the depth is bounded by the reader."""
    if isinstance(value, dict):
        yield from value.items()
        for one in value.values():
            yield from _items(one)
    elif isinstance(value, list):
        for one in value:
            yield from _items(one)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_plain_word(value: Any) -> bool:
    return isinstance(value, str) and _PLAIN_WORD.fullmatch(value) is not None
