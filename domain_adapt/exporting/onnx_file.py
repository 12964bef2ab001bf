"""Writing a model as an ONNX graph, in float32 and in 8 bits."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import save_tokenizer
from domain_adapt.errors import DomainAdaptError, first_line

if TYPE_CHECKING:
    from domain_adapt.exporting.subject import Subject

EXPORT = "export.json"  # what an exported folder is
PLAIN, INT8 = "model.onnx", "model_int8.onnx"
OPSET = 17  # the first with LayerNormalization as one operator; ONNX Runtime reads it since 2022


def require_onnx() -> None:
    """Raises DomainAdaptError if a package that ONNX takes is missing."""
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise DomainAdaptError(f"export to ONNX needs {' and '.join(missing)}", hint="pip install 'domain-adapt[onnx]'")


def write_graph(subject: Subject, path: Path) -> None:
    """Writes the float32 graph, and config and tokenizer beside it.

    Raises:
        DomainAdaptError: If torch cannot express the model in ONNX.
    """
    import torch

    from domain_adapt.exporting.comparing import rows_of

    inputs = rows_of(subject, [9, 16], purpose="trace")  # padding must be there, that the mask is not taken for granted
    try:
        with _quiet(), torch.inference_mode():
            # The exporter by tracing: half a second for a small model, where the one by torch.export takes sixteen,
            # with the same graph in the end. What tracing could get wrong, a size taken for a constant, the comparison
            # of several sizes finds.
            torch.onnx.export(
                _Traced(subject),
                tuple(inputs[name] for name in subject.inputs),
                str(path),
                input_names=subject.inputs,
                output_names=subject.outputs,
                dynamic_axes=subject.axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # whatever an operator that ONNX lacks raises
        raise DomainAdaptError(f"{subject.ref}: cannot be written as ONNX: {first_line(error)}") from error
    shutil.copyfile(subject.checkpoint.folder / "config.json", path.parent / "config.json")
    save_tokenizer(subject.tokenizer, path.parent)


def quantise(source: Path, target: Path) -> None:
    """Writes ``source`` with 8-bit weights, a scale for each output channel, activations quantised as they come.

    Dynamic quantisation: no data is needed for calibration.
    """
    quantization: Any = importlib.import_module("onnxruntime.quantization")
    with _quiet():
        quantization.quantize_dynamic(source, target, per_channel=True, weight_type=quantization.QuantType.QInt8)


def _Traced(subject: Subject) -> Any:
    """Returns a module that takes the inputs in order and returns the outputs as a tuple."""
    from torch import nn

    class Traced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = subject.model

        def forward(self, *tensors: Any) -> Any:
            found = self.model(**dict(zip(subject.inputs, tensors, strict=True)))
            return tuple(getattr(found, name) for name in subject.outputs)

    return Traced().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides the warnings of tracing, and advice on preparing a graph for quantisation."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
