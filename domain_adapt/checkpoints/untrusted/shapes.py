"""The weight matrices that a config promises, by arithmetic alone, compared with those that the files hold.

So nothing is ever allocated by the config's word: each matrix of the encoder that transformers would make is in the
file, with this shape, before transformers is asked to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain_adapt.checkpoints.untrusted.configs import count_labels
from domain_adapt.checkpoints.untrusted.tensors import Tensor

Shapes = Iterator[tuple[str, tuple[int, ...]]]
_HEADS = ("classifier.out_proj.weight", "classifier.weight", "qa_outputs.weight")
_WITH_LABELS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")


class _Missing(Exception):
    """A key that decides a size is not in the config; a library would take a default of its own."""


class _Sizes:
    """The whole numbers of a config by key."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def __call__(self, key: str, default: int | None = None) -> int:
        value = self._config.get(key)
        if value is None:
            if default is None:
                raise _Missing(key)
            return default
        return int(value)


def shape_problem(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str | None:
    """Returns in one line where the weights do not fit the config, or None; other model types always fit.

    Args:
        config: Content of ``config.json``, within :data:`domain_adapt.checkpoints.untrusted.configs.LIMITS`.
        tensors: What the headers of the weight files hold.
    """
    family = _FAMILIES.get(str(config.get("model_type")))
    if family is None:
        return None
    prefix, shapes = family
    if not any(name.startswith(f"{prefix}.") for name in tensors):
        prefix = ""
    try:
        expected = {f"{prefix}.{name}".lstrip("."): shape for name, shape in shapes(_Sizes(config), config)}
    except _Missing as missing:
        return f"{missing.args[0]} is missing in config.json"
    lost = [name for name in expected if name not in tensors]
    if lost:
        return f"{len(lost)} weights of the encoder are missing, the first is {lost[0]}"
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            return f"{name} has shape {list(tensors[name].shape)}, config.json makes it {list(shape)}"
    return _head_problem(config, tensors)


def _head_problem(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str | None:
    """Returns how the labels do not fit: the head of a task is as tall as there are labels."""
    labels = count_labels(dict(config))
    name = next((name for name in _HEADS if name in tensors), None)
    architectures = config.get("architectures") or [""]
    if name is not None and str(architectures[0]).endswith(_WITH_LABELS):
        if tensors[name].shape[:1] != (labels,):
            return f"{name} has shape {list(tensors[name].shape)}, config.json has {labels} labels"
        return None
    # A new head is made by the config's word: never larger than everything that the file holds.
    width = int(config.get("hidden_size") or config.get("dim") or 0)
    if labels * width > sum(tensor.parameters for tensor in tensors.values()):
        return f"config.json has {labels} labels: their head would be larger than the model"
    return None


def _bert(size: _Sizes, config: Mapping[str, Any]) -> Shapes:
    hidden = size("hidden_size")
    embedding = size("embedding_size", hidden) if config["model_type"] == "electra" else hidden
    yield from _embeddings(size, embedding)
    if embedding != hidden:
        yield "embeddings_project.weight", (hidden, embedding)
    yield from _layers(size, hidden, ("query", "key", "value"), hidden)


def _deberta(size: _Sizes, config: Mapping[str, Any]) -> Shapes:
    hidden, positions = size("hidden_size"), size("max_position_embeddings")
    embedding = size("embedding_size", hidden)
    types = size("type_vocab_size", 0)
    yield "embeddings.word_embeddings.weight", (size("vocab_size"), embedding)
    if config.get("position_biased_input", True):
        yield "embeddings.position_embeddings.weight", (positions, embedding)
    if types:
        yield "embeddings.token_type_embeddings.weight", (types, embedding)
    if embedding != hidden:
        yield "embeddings.embed_proj.weight", (hidden, embedding)
    heads = size("num_attention_heads")
    inside = heads * size("attention_head_size", hidden // heads)
    yield from _layers(size, hidden, ("query_proj", "key_proj", "value_proj"), inside)
    if config.get("relative_attention", False):
        buckets, relative = size("position_buckets", -1), size("max_relative_positions", -1)
        rows = 2 * (buckets if buckets > 0 else relative if relative > 0 else positions)
        yield "encoder.rel_embeddings.weight", (rows, hidden)
    if kernel := size("conv_kernel_size", 0):
        yield "encoder.conv.conv.weight", (hidden, hidden // max(1, size("conv_groups", 1)), kernel)
    # The pooler of a new head is square in this key, whatever the encoder is.
    if size("pooler_hidden_size", hidden) > hidden:
        raise _Missing("a pooler_hidden_size of at most hidden_size")


def _distilbert(size: _Sizes, config: Mapping[str, Any]) -> Shapes:
    width, inside = size("dim"), size("hidden_dim")
    yield "embeddings.word_embeddings.weight", (size("vocab_size"), width)
    yield "embeddings.position_embeddings.weight", (size("max_position_embeddings"), width)
    for layer in range(size("n_layers")):
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            yield f"transformer.layer.{layer}.attention.{part}.weight", (width, width)
        yield f"transformer.layer.{layer}.ffn.lin1.weight", (inside, width)
        yield f"transformer.layer.{layer}.ffn.lin2.weight", (width, inside)


def _albert(size: _Sizes, config: Mapping[str, Any]) -> Shapes:
    hidden, embedding, inside = size("hidden_size"), size("embedding_size"), size("intermediate_size")
    size("num_hidden_layers")
    yield from _embeddings(size, embedding)
    yield "encoder.embedding_hidden_mapping_in.weight", (hidden, embedding)
    for group in range(size("num_hidden_groups", 1)):
        for layer in range(size("inner_group_num", 1)):
            stem = f"encoder.albert_layer_groups.{group}.albert_layers.{layer}."
            for part in ("query", "key", "value", "dense"):
                yield f"{stem}attention.{part}.weight", (hidden, hidden)
            yield f"{stem}ffn.weight", (inside, hidden)
            yield f"{stem}ffn_output.weight", (hidden, inside)


def _modernbert(size: _Sizes, config: Mapping[str, Any]) -> Shapes:
    hidden, inside = size("hidden_size"), size("intermediate_size")
    yield "embeddings.tok_embeddings.weight", (size("vocab_size"), hidden)
    for layer in range(size("num_hidden_layers")):
        yield f"layers.{layer}.attn.Wqkv.weight", (3 * hidden, hidden)
        yield f"layers.{layer}.attn.Wo.weight", (hidden, hidden)
        yield f"layers.{layer}.mlp.Wi.weight", (2 * inside, hidden)  # a gate and an input
        yield f"layers.{layer}.mlp.Wo.weight", (hidden, inside)


def _embeddings(size: _Sizes, width: int) -> Shapes:
    yield "embeddings.word_embeddings.weight", (size("vocab_size"), width)
    yield "embeddings.position_embeddings.weight", (size("max_position_embeddings"), width)
    yield "embeddings.token_type_embeddings.weight", (size("type_vocab_size"), width)


def _layers(size: _Sizes, hidden: int, projections: tuple[str, ...], inside: int) -> Shapes:
    """Yields the matrices of BERT's layers; ``inside`` is the width of all attention heads together."""
    for layer in range(size("num_hidden_layers")):
        stem = f"encoder.layer.{layer}."
        for part in projections:
            yield f"{stem}attention.self.{part}.weight", (inside, hidden)
        yield f"{stem}attention.output.dense.weight", (hidden, hidden)
        yield f"{stem}intermediate.dense.weight", (size("intermediate_size"), hidden)
        yield f"{stem}output.dense.weight", (hidden, size("intermediate_size"))


# model_type -> (name of the encoder inside a model with a head, its matrices without that name).
_FAMILIES: dict[str, tuple[str, Callable[[_Sizes, Mapping[str, Any]], Shapes]]] = {
    "albert": ("albert", _albert),
    "bert": ("bert", _bert),
    "camembert": ("roberta", _bert),
    "deberta-v2": ("deberta", _deberta),
    "distilbert": ("distilbert", _distilbert),
    "electra": ("electra", _bert),
    "modernbert": ("model", _modernbert),
    "roberta": ("roberta", _bert),
    "xlm-roberta": ("roberta", _bert),
}
