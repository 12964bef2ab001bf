"""Checkpoints for other programs: ONNX, and folders for sentence-transformers. Light: torch is imported when needed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_files
from domain_adapt.workspace import Workspace, staged_folder, write_json

if TYPE_CHECKING:
    from domain_adapt.exporting.subject import Subject
    from domain_adapt.tasks.question_answering.decoding import Prediction

logger = logging.getLogger(__name__)


def export_onnx(
    ref: str | Path, output: Path, *, int8: bool = False, workspace: Workspace = Workspace()
) -> dict[str, Any]:
    """Writes a checkpoint as ONNX into the new folder ``output`` and returns what its ``export.json`` says.

    The folder holds ``model.onnx`` (float32; batch and sequence of any size), with ``int8`` also ``model_int8.onnx``
    (weights of matrix products in 8 bits, activations quantised as they come), ``config.json`` and the tokenizer.

    Args:
        ref: A checkpoint (``medical-qa``, ``medical-qa@v1``) or the folder of one: a masked LM, a model for a task, or
            an encoder.
        output: Must not be there yet, or be empty.
        int8: Quantise too, and measure what that loses: on the task's own data where it is there.
        workspace: Where checkpoints, tasks and prepared corpora are.

    Raises:
        DomainAdaptError: If the packages for ONNX are missing, there is no such checkpoint, ``output`` is there, or the
            outputs differ from PyTorch's by more than 1e-4.
    """
    from domain_adapt.exporting.comparing import largest_difference, sample_inputs
    from domain_adapt.exporting.onnx_file import INT8, OPSET, PLAIN, quantise, require_onnx, write_graph
    from domain_adapt.exporting.onnx_model import OnnxModel
    from domain_adapt.exporting.quality import measure_loss

    require_onnx()
    with _new_folder(ref, output, workspace) as (subject, folder):
        write_graph(subject, folder / PLAIN)
        inputs = list(sample_inputs(subject))
        found = largest_difference(subject, OnnxModel(folder / PLAIN, subject.outputs), inputs)
        found.check(subject.ref)
        shown = {"format": "onnx", "opset": OPSET, "inputs": subject.inputs, "outputs": subject.outputs}
        about = shown | {"against_pytorch": found.as_json()}
        logger.info("%s: agrees with PyTorch within %.1e", PLAIN, found.difference)
        if int8:
            quantise(folder / PLAIN, folder / INT8)
            model = OnnxModel(folder / INT8, subject.outputs)
            lost = largest_difference(subject, model, inputs).as_json()
            about["int8"] = {"against_pytorch": lost, "on_own_data": measure_loss(subject, model, workspace)}
        return _finish(subject, folder, about)


def export_sentence_transformers(
    ref: str | Path, output: Path, *, workspace: Workspace = Workspace()
) -> dict[str, Any]:
    """Writes the encoder of a checkpoint as a folder for ``SentenceTransformer(output)``; returns what it says of it.

    A text's vector is the mean of its tokens' last states. Arguments and errors are those of :func:`export_onnx`.
    """
    from domain_adapt.exporting.sentence_transformers import write_sentence_transformer

    with _new_folder(ref, output, workspace) as (subject, folder):
        about = {"format": "sentence-transformers"} | write_sentence_transformer(subject, folder)
        return _finish(subject, folder, about)


def answer_questions(
    folder: Path, questions: Sequence[str], contexts: Sequence[str], *, file: str = "model.onnx"
) -> list[Prediction]:
    """Returns the answer to each question from its context, by the ONNX file of a question-answering checkpoint.

    Args:
        folder: What :func:`export_onnx` wrote.
        questions: Any number.
        contexts: One for each; of any length.
        file: ``model.onnx`` or ``model_int8.onnx``.

    Raises:
        DomainAdaptError: If ONNX Runtime is missing, or the folder holds something else.
    """
    from domain_adapt.exporting.answering import answer_questions

    return answer_questions(folder, questions, contexts, file)


@contextmanager
def _new_folder(ref: str | Path, output: Path, workspace: Workspace) -> Iterator[tuple[Subject, Path]]:
    """Yields the loaded checkpoint and a folder that becomes ``output`` if all goes well."""
    from domain_adapt.exporting.subject import load_subject

    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise DomainAdaptError(f"{output}: is there already", hint="nothing is overwritten: name a new folder")
    subject = load_subject(ref, workspace)
    try:
        with explain_disk(output, "nothing was exported"), staged_folder(output.absolute()) as folder:
            yield subject, folder
    except OSError as error:  # a file where a folder should be, among others
        raise DomainAdaptError(f"{output}: cannot be written: {error.strerror}; nothing was exported") from error
    logger.info("exported %s: %s", subject.ref, output)


def _finish(subject: Subject, folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Writes ``export.json`` beside everything else and returns what it says."""
    from importlib import metadata

    from domain_adapt.exporting.onnx_file import EXPORT

    names = ("domain-adapt", "torch", "transformers", "onnx", "onnxruntime")
    installed = {one.name: one.version for one in metadata.distributions() if one.name in names}
    about = {
        "checkpoint": subject.ref,
        "checkpoint_sha256": subject.checkpoint.sha256,
        "kind": subject.kind,
        "settings": subject.checkpoint.manifest.recipe.get(subject.kind.replace("-", "_"), {}),
        **about,
        "packages": installed,
        "files": hash_files([path for path in folder.rglob("*") if path.is_file()], folder),
    }
    write_json(folder / EXPORT, about)
    return about
