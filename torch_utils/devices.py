# SPDX-License-Identifier: Apache-2.0
"""What `--device auto|cpu|cuda` means on this machine."""

import torch

from torch_utils.heap import keep_freed_memory


def find_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one. From then on a CPU keeps what is freed of its memory."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"A device is auto, cpu or cuda, not {name!r}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("This PyTorch finds no GPU: use --device=cpu, or install one that does.")
    if name != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    keep_freed_memory()
    return torch.device("cpu")
