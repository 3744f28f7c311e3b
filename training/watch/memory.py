# SPDX-License-Identifier: Apache-2.0
"""How much memory a run takes."""

import os
import sys

import torch


def memory_gib(device: torch.device) -> float | None:
    """On a GPU the most that tensors took since the last call; else what this process takes, where the system tells."""
    if device.type == "cuda":
        num_bytes = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return num_bytes / 2**30
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30
