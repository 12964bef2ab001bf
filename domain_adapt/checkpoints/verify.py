"""Whether a checkpoint is still what was published."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from domain_adapt.checkpoints.manifest import MANIFEST, edited, read_manifest
from domain_adapt.checkpoints.store import Checkpoint
from domain_adapt.checkpoints.untrusted import CONFIG, check_untrusted, label_of, read_json
from domain_adapt.errors import DomainAdaptError, first_line
from domain_adapt.fingerprint import hash_file
from domain_adapt.workspace import everything_below

# End of the class in config.json -> the class of transformers that loads it.
_STOCK = {
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForPreTraining": "AutoModelForPreTraining",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForMultipleChoice": "AutoModelForMultipleChoice",
    "Model": "AutoModel",
}


def verify(checkpoint: Checkpoint, *, deep: bool = False) -> list[str]:
    """Returns one line for each thing that is not as it was published; [] if all is well.

    Args:
        checkpoint: Its manifest is read anew, and so is every file (about a second a gigabyte).
        deep: Load the weights through the stock class of transformers as well, and run one forward pass.
    """
    folder, expected = checkpoint.folder, checkpoint.manifest.files
    present, problems = _walk(folder)
    for path in sorted(expected.keys() - present):
        if not (folder / path).is_symlink():
            problems.append(f"{folder / path}: missing")
    problems += [f"{folder / path}: not in the manifest" for path in sorted(present - expected.keys() - {MANIFEST})]
    for path in sorted(present & expected.keys()):
        try:
            found = hash_file(folder / path)
        except OSError as error:
            problems.append(f"{folder / path}: cannot be read: {error.strerror}")
            continue
        if found != expected[path]:
            problems.append(f"{folder / path}: changed: SHA-256 {found[:12]}…, expected {expected[path][:12]}…")
    if MANIFEST in present:
        problems += _problem(lambda: _check_manifest(folder))
    else:
        problems.append(f"{folder / MANIFEST}: missing")
    if CONFIG in expected and not problems:
        problems += _problem(lambda: check_untrusted(folder, str(folder)))
        if deep and not problems:
            problems += _problem(lambda: _check_forward(folder))
    return problems


def checkpoint_in(folder: Path) -> Checkpoint | None:
    """Returns the checkpoint if a folder is one of ours, wherever it was copied to; None if it has no manifest.

    Raises:
        DomainAdaptError: If its manifest is damaged.
    """
    if not (folder / MANIFEST).exists():
        return None
    manifest = read_manifest(folder)
    return Checkpoint(manifest.name, manifest.version, folder, manifest)


def check_intact(checkpoint: Checkpoint) -> None:
    """Raises DomainAdaptError, which names the first file of it, if :func:`verify` finds that anything was changed."""
    problems = verify(checkpoint)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DomainAdaptError(
            f"{problems[0]}{more}: it is not what was published as {checkpoint.ref}",
            hint=f"remove {checkpoint.folder} and make it again, or copy it anew",
        )


def _walk(folder: Path) -> tuple[set[str], list[str]]:
    """Returns the regular files below a folder as POSIX paths, and a line for each thing that is neither."""
    files, problems = set(), []
    if folder.is_symlink():
        problems.append(f"{folder}: a link: what it leads to may change")
    try:
        for path in everything_below(folder):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                files.add(path.relative_to(folder).as_posix())
            elif stat.S_ISLNK(mode):
                problems.append(f"{path}: a link: what it leads to may change")
            elif not stat.S_ISDIR(mode):
                problems.append(f"{path}: neither a file nor a folder")
    except OSError as error:
        problems.append(f"{error.filename or folder}: cannot be read: {error.strerror}")
    return files, problems


def _check_manifest(folder: Path) -> None:
    read_manifest(folder)
    if edited(folder):
        raise DomainAdaptError(f"{folder / MANIFEST}: edited after it was written: its own SHA-256 does not fit")


def _check_forward(folder: Path) -> None:
    """Loads a model as other code would, and reads a few tokens with it.

    Raises:
        DomainAdaptError: If it cannot be loaded, weights are lost or left over, or a number is not finite.
    """
    import torch
    import transformers

    label = label_of(str(folder), folder / CONFIG)
    config = read_json(folder / CONFIG, label)
    name = str((config.get("architectures") or ["Model"])[0])
    auto = next((auto for end, auto in _STOCK.items() if name.endswith(end)), None)
    if auto is None:
        raise DomainAdaptError(f"{label}: architectures: {name!r:.80} is not one that can be tried")
    verbosity = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = getattr(transformers, auto).from_pretrained(
            folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
        _check_report(report, folder, is_encoder=auto == "AutoModel")
        _check_numbers(model.eval(), folder, choices=auto == "AutoModelForMultipleChoice")
    except DomainAdaptError:
        raise
    except Exception as error:  # each kind of damage has an exception type of its own
        raise DomainAdaptError(f"{folder}: stock code cannot load and run it: {first_line(error)}") from error
    finally:
        transformers.utils.logging.set_verbosity(verbosity)
        if bars:
            transformers.utils.logging.enable_progress_bar()


def _check_report(report: dict[str, Any], folder: Path, *, is_encoder: bool) -> None:
    for kind, what in (("missing_keys", "missing"), ("unexpected_keys", "left over"), ("mismatched_keys", "misshapen")):
        # An encoder out of a masked LM has no pooler; stock code draws one, which is no loss.
        names = sorted(str(key) for key in report.get(kind) or () if not (is_encoder and key.startswith("pooler.")))
        if names:
            raise DomainAdaptError(f"{folder}: {len(names)} weights are {what}, the first is {names[0]}")


def _check_numbers(model: Any, folder: Path, *, choices: bool) -> None:
    """Raises DomainAdaptError if a weight, or an output for the first few entries of the vocabulary, is not finite."""
    import torch

    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise DomainAdaptError(f"{folder}: {name} holds numbers that are not finite")
    input_ids = torch.arange(min(8, int(model.config.vocab_size)))[None]  # (1, 8)
    if choices:
        input_ids = input_ids[None]  # (1, 1, 8): one choice
    with torch.inference_mode():
        outputs = model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids))
    for name, value in outputs.items():
        if torch.is_tensor(value) and not bool(torch.isfinite(value).all()):
            raise DomainAdaptError(f"{folder}: one forward pass: {name} are not finite")


def _problem(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except DomainAdaptError as error:
        return [error.message]
    return []
