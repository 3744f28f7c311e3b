# SPDX-License-Identifier: Apache-2.0
"""What the checks before a run want to know of the machine: memory, disk, and how many processes share them."""

import dataclasses
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import torch

from torch_utils.ops import toolchain

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclasses.dataclass(frozen=True)
class MachineFacts:
    """Of the machine that runs the main process."""

    device_type: str
    num_ranks: int  # Of the whole run.
    num_local_ranks: int  # On this machine.
    available_bytes: int | None = None  # For tensors of one process; None where it cannot be known.
    free_disk_bytes: int | None = None
    is_writable: bool = True
    why_no_compiling: str | None = None  # What torch.compile lacks, and how to get it.


def machine_facts(device: torch.device, num_ranks: int, folder: Path) -> MachineFacts:
    """`folder` need not exist yet."""
    local = min(int(os.environ.get("LOCAL_WORLD_SIZE", num_ranks)), num_ranks)
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if device.type == "cuda":
        available = torch.cuda.mem_get_info(device)[0]
    else:
        memory = _available_ram_bytes()
        available = None if memory is None else memory // local
    return MachineFacts(
        device.type,
        num_ranks,
        local,
        available,
        shutil.disk_usage(existing).free,
        existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
        _why_no_compiling(device),
    )


def _why_no_compiling(device: torch.device) -> str | None:
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "Triton is not installed: `pip install triton`"
    return None if toolchain.find().cxx else "no C++ compiler was found: install g++ or clang++, or set CXX"


def _available_ram_bytes() -> int | None:
    """What can be taken without swapping; a container may be allowed less than the machine has."""
    if not sys.platform.startswith("linux"):
        return None
    with open("/proc/meminfo", encoding="ascii") as file:
        sizes = {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":") for line in file)}
    limits = [int(text) for text in map(_read, _CGROUP_FILES) if text.isdecimal()]
    return min([sizes["MemAvailable"], *limits])


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
