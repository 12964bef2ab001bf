"""What a model card says of a model's use: what it is, how it is loaded, where it ends."""

from __future__ import annotations

from collections.abc import Iterable

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.subject import is_encoder, is_mini, pipeline, task_text


def what_it_is(manifest: Manifest) -> str:
    """Returns what the model is, where it came from and what it does."""
    parent = manifest.parent
    origin = f"[{parent.name}]({parent.url})" if parent.url and parent.kind == "base" else f"`{parent.name}`"
    about = f" on {manifest.domain} text" if manifest.domain else ""
    if manifest.stage == "merge":
        return _merged(manifest)
    if manifest.stage == "adapt":
        return (
            f"A masked language model: {origin}, trained further{about} with masked-language modelling. "
            "It is a starting point for fine-tuning and finds words for masks; it answers no questions by itself."
        )
    if is_encoder(manifest):
        return (
            f"An encoder: {origin}, trained further{about} on several tasks at once. It is a starting point for "
            "fine-tuning on other tasks and has no head; the models that have shared it are checkpoints of their own."
        )
    text = task_text(manifest)
    return f"{text.is_a}: {origin}, fine-tuned{about} for the task `{manifest.task}`. {text.does}"


def _merged(manifest: Manifest) -> str:
    shares = zip(manifest.parents, manifest.recipe["weights"], strict=True)
    models = " and ".join(f"`{parent.name}` ({weight:.3g})" for parent, weight in shares)
    kinds = {"fill-mask": "A masked language model", "feature-extraction": "An encoder"}
    is_a = kinds.get(pipeline(manifest)) or task_text(manifest).is_a
    return (
        f"{is_a}: the weighted mean of the weights of {models}, tensor by tensor (Wortsman et al. 2022, arXiv "
        "2109.01903 and 2203.05482). Nothing was trained for it, and nothing was measured on it."
    )


def usage(manifest: Manifest) -> str:
    """Returns code that loads the model and calls it."""
    folder = f"checkpoints/{manifest.name}/v{manifest.version}"
    if pipeline(manifest) == "fill-mask":
        code = [
            "from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline",
            "",
            f'folder = "{folder}"  # or the id of this repository',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            "model = AutoModelForMaskedLM.from_pretrained(folder)",
            'fill = pipeline("fill-mask", model=model, tokenizer=tokenizer)',
            'print(fill(f"The report describes the {tokenizer.mask_token} in detail."))',
        ]
    elif is_encoder(manifest):
        code = [
            "from transformers import AutoModel, AutoTokenizer",
            "",
            f'folder = "{folder}"  # or the id of this repository',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            "model = AutoModel.from_pretrained(folder)",
            'states = model(**tokenizer("The report was signed.", return_tensors="pt")).last_hidden_state',
        ]
    else:
        code = [
            f"from domain_adapt import {task_text(manifest).ours}",
            "",
            f'folder = "{folder}"',
            f"predict = {task_text(manifest).ours}(folder)",
            f"print(predict({task_text(manifest).example}))",
        ]
        plain = [
            f"from transformers import {task_text(manifest).stock}, AutoTokenizer",
            "",
            f'folder = "{folder}"  # or the id of this repository',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            f"model = {task_text(manifest).stock}.from_pretrained(folder)",
        ]
        return _code(code) + "\n\nor, without this package, as any model of its type:\n\n" + _code(plain)
    return _code(code)


def limits(manifest: Manifest) -> str:
    """Returns what the model must not be taken for, a line each."""
    lines = [
        "It repeats the errors and the slant of its text and of the model it came from.",
        "Its output is no advice: in medicine, finance or law, a person who knows the field has to check it.",
    ]
    if manifest.stage == "merge":
        lines.append("What its parents can do, it need not: measure it before it is used.")
    elif manifest.stage == "adapt":
        lines.append("The figures are on held-out text of the same sources; other text of the field may be harder.")
    elif is_encoder(manifest):
        lines.append("The figures are those of the models with a head; another task may gain less, or nothing.")
    else:
        lines.append(task_text(manifest).limit)
    if is_mini(manifest):
        lines.append(
            "The base is small (six layers, 384 wide) and lower-cases everything: it is meant for quick trials."
        )
    return "\n".join(f"- {line}" for line in lines)


def _code(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```"])
