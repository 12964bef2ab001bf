"""An ONNX session in the place of a PyTorch model, so that the same code featurises, scores and decodes for both."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError, first_line
from domain_adapt.exporting.onnx_file import require_onnx


class OnnxModel(nn.Module):
    """Runs an ONNX file on the CPU when it is called, with the keyword arguments and outputs of the stock model.

    Args:
        path: The file.
        outputs: Their names, in order; None: as the file says.

    Raises:
        DomainAdaptError: If ONNX Runtime is missing or the file cannot be read.
    """

    def __init__(self, path: Path, outputs: Sequence[str] | None = None) -> None:
        super().__init__()
        require_onnx()
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its classes are made in C++ and share no base
            raise DomainAdaptError(f"{path}: cannot be read as ONNX: {first_line(error)}") from error
        self.outputs = list(outputs or [one.name for one in self._session.get_outputs()])
        self._inputs = {one.name for one in self._session.get_inputs()}

    def forward(self, **inputs: torch.Tensor) -> Any:
        """Returns the outputs as attributes, float32 on the CPU."""
        given = {name: value.cpu().numpy() for name, value in inputs.items() if name in self._inputs}
        found = self._session.run(self.outputs, given)
        return SimpleNamespace(**dict(zip(self.outputs, map(torch.from_numpy, found), strict=True)))
