# SPDX-License-Identifier: Apache-2.0
"""What a run runs on, for whoever wants to repeat it."""

import platform
import subprocess
from pathlib import Path

import numpy
import torch

from torch_utils import distributed

_ROOT = Path(__file__).resolve().parents[2]


def environment(device: torch.device) -> dict[str, str]:
    """By name, in words."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        where = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    else:
        where = f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"
    return {
        "FullHead": commit() or "not from a git checkout",
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "NumPy": numpy.__version__,
        "System": f"{platform.system()} {platform.release()}",
        "Device": where,
        "Processes": str(distributed.world_size()),
    }


def commit() -> str | None:
    """Of the checkout this code is in, with a word if files were changed since."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        number = _git("rev-parse", "--short=12", "HEAD")
        return f"commit {number}" + (", with changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
