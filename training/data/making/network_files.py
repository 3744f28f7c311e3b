# SPDX-License-Identifier: Apache-2.0
"""A segmentation network in a file, as a function from arrays to arrays: ONNX, or TorchScript.

An ONNX file is data. A TorchScript file is a program and can do whatever a program can: run only those of people you
trust. Pickled weights (`.pth`, `.pkl`) are refused: they hold no network, and reading one can run anything.
"""

import importlib
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Float32, Shaped

from training.data.problems import DataError

Device = Literal["auto", "cpu", "cuda"]

_SCRIPT_SUFFIXES = (".pt", ".ts", ".jit", ".torchscript")
_EXPORT = "export the network with torch.onnx.export or torch.jit.trace"


class Network(ABC):
    """RGB pictures [n, 3, size, size] in, whatever the network gives for them out."""

    path: Path
    size: int | None  # What the file demands, if it does.
    batch: int | None

    @abstractmethod
    def run(self, pictures: Float32[np.ndarray, "n 3 size size"]) -> Shaped[np.ndarray, "n ..."]:
        """The first output for a batch."""


def open_network(path: str | Path, device: Device = "auto", flags: Sequence[str] = ()) -> Network:
    """The network of a file; the suffix says which kind it is. Arguments of a program named by `flags` are true."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; name an ONNX (.onnx) or TorchScript (.pt) file")
    if path.suffix.lower() == ".onnx":
        if flags:
            raise DataError(
                f"{path}: an ONNX file has no arguments but its picture, so no {', '.join(flags)}; {_EXPORT}"
            )
        return OnnxNetwork(path, device)
    if path.suffix.lower() in _SCRIPT_SUFFIXES:
        return ScriptNetwork(path, device, flags)
    if path.suffix.lower() in (".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".safetensors"):
        raise DataError(f"{path}: holds weights (reading a pickle could run anything) but no network; {_EXPORT}")
    raise DataError(
        f"{path}: is neither an ONNX (.onnx) nor a TorchScript ({', '.join(_SCRIPT_SUFFIXES)}) file; {_EXPORT}"
    )


@final
class OnnxNetwork(Network):
    """Run by onnxruntime."""

    def __init__(self, path: Path, device: Device) -> None:
        runtime = _import_onnxruntime()
        available = runtime.get_available_providers()
        if device == "cuda" and "CUDAExecutionProvider" not in available:
            raise DataError(f"{path}: this onnxruntime knows no CUDA; install onnxruntime-gpu, or use --device cpu")
        wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # Warnings about constants that nobody needs would hide ours.
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=[provider for provider in wanted if provider in available]
            )
        except Exception as error:  # Its errors share no class.
            raise DataError(f"{path}: onnxruntime cannot open it ({_first_line(error)}); export it again") from None
        self.path = path
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(i.name for i in inputs)
            raise DataError(
                f"{path}: has {len(inputs)} inputs ({names}), not one picture; {_EXPORT} for pictures alone"
            )
        self._input = inputs[0]
        shape = [n if isinstance(n, int) else None for n in self._input.shape]
        is_known = self._input.type in ("tensor(float)", "tensor(float16)")
        if (
            len(shape) != 4
            or shape[1] not in (3, None)
            or not is_known
            or (shape[2] or shape[3]) != (shape[3] or shape[2])
        ):
            raise DataError(
                f"{path}: takes {self._input.type} of shape {self._input.shape}; a network for this takes floats of "
                "shape [batch, 3, size, size], RGB"
            )
        self.size, self.batch = shape[2] or shape[3], shape[0]

    def run(self, pictures: Float32[np.ndarray, "n 3 size size"]) -> Shaped[np.ndarray, "n ..."]:
        dtype = np.float16 if self._input.type == "tensor(float16)" else np.float32
        try:
            return self._session.run(None, {self._input.name: pictures.astype(dtype)})[0]
        except Exception as error:
            raise _run_error(self.path, pictures, error) from None


@final
class ScriptNetwork(Network):
    """Run by torch. Of several outputs the first is taken, of a dictionary the one called "out"."""

    size = None
    batch = None

    def __init__(self, path: Path, device: Device, flags: Sequence[str] = ()) -> None:
        self.path = path
        self._flags = dict.fromkeys(flags, True)
        if device == "cuda" and not torch.cuda.is_available():
            raise DataError(f"{path}: there is no CUDA device for it; use --device cpu")
        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path}: is no TorchScript file, perhaps weights or cut off; {_EXPORT}")
        with zipfile.ZipFile(path) as archive:
            if not any("/code/" in name for name in archive.namelist()):
                raise DataError(f"{path}: holds pickled weights and no program, so it is not read; {_EXPORT}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Files of this kind outlive their writer.
                self._module = torch.jit.load(str(path), map_location=self._device).eval()
        except Exception as error:
            raise DataError(f"{path}: torch cannot open it ({_first_line(error)}); export it again") from None

    def run(self, pictures: Float32[np.ndarray, "n 3 size size"]) -> Shaped[np.ndarray, "n ..."]:
        try:
            with torch.inference_mode():
                output = self._module(torch.from_numpy(pictures).to(self._device), **self._flags)
        except Exception as error:
            raise _run_error(self.path, pictures, error) from None
        if isinstance(output, dict) and output:
            output = output["out"] if "out" in output else next(iter(output.values()))
        if isinstance(output, tuple | list) and output:
            output = output[0]
        if not isinstance(output, torch.Tensor):
            raise DataError(f"{self.path}: gives a {type(output).__name__} and no tensor; {_EXPORT} with one output")
        return (output.float() if output.is_floating_point() else output).cpu().numpy()


def _import_onnxruntime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise DataError(
            'ONNX files are run by onnxruntime, which is not installed: `pip install "fullhead[metrics]"`, or '
            "`pip install onnxruntime`, or use a TorchScript file"
        ) from None


def _run_error(path: Path, pictures: np.ndarray, error: Exception) -> DataError:
    shape = list(pictures.shape)
    return DataError(
        f"{path}: fails on pictures of shape {shape} ({_first_line(error)}); is the size (--input_size) right?"
    )


def _first_line(error: Exception) -> str:
    """The line that says most: torch ends with it, others begin with it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return (lines[-1] if lines[0].endswith(":") or "Traceback" in str(error) else lines[0])[:200]
