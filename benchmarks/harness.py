# SPDX-License-Identifier: Apache-2.0
"""Timing as a ratio: two or more ways to do the same thing, taken in turn in one process, compared by their medians."""

import gc
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import torch

from dnnlib.atomic import atomic_write_text
from torch_utils import heap
from torch_utils.devices import find_device

Name = TypeVar("Name", bound=Hashable)
RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent


def time_in_turn(ways: dict[Name, Callable[[int], object]], device: str, rounds: int) -> dict[Name, list[float]]:
    """Milliseconds of every round of every way, which is called with the number of the round.

    A round runs each way once, so drift of the machine hits all alike. It is timed from its second call on: caches and
    memory are then as it left them, and not as another way did.
    """
    times: dict[Name, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            way(number)
            times[name].append(_milliseconds(partial(way, number), device))
    return times


def _milliseconds(work: Callable[[], object], device: str) -> float:
    if device == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)
    start_s = time.perf_counter()
    work()
    return (time.perf_counter() - start_s) * 1e3


def peak_bytes(work: Callable[[], object], device: str) -> int | None:
    """What `work` takes at its peak, beside what is there before. None where the system does not tell."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        heap.trim()  # What was freed before goes back to the system and is not counted.
        clear.write_text("5")  # The kernel forgets the peak so far.
    except OSError:
        work()
        return None
    before = _status_bytes(status, "VmRSS")
    work()
    return max(_status_bytes(status, "VmHWM") - before, 0)


def _status_bytes(status: Path, name: str) -> int:
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def wait(device: str) -> None:
    """Until a GPU has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def empty(device: str) -> None:
    """What nobody holds goes back to a GPU."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def take_device(device: str) -> None:
    """Refuses one that is not there, and sets it up as the scripts do."""
    try:
        find_device(device)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def median(times: list[float]) -> float:
    return statistics.median(times)


def environment(device: str) -> dict[str, str | int | float]:
    """What a figure depends on, to stand beside it."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 0,
        "load_1min": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain", "-uno") else ""),
    }


def place(facts: dict[str, str | int | float]) -> str:
    """The environment in a line under a table."""
    return f"{facts['device']}, {facts['threads']} threads, PyTorch {facts['torch']}, commit {facts['commit']}."


def saved(name: str, device: str) -> dict[str, dict]:
    """What `save` has written before, if it was by name."""
    path = RESULTS / f"{name}-{device}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def save(name: str, device: str, results: list[dict] | dict[str, dict]) -> Path:
    """Writes benchmarks/results/NAME-DEVICE.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{device}.json"
    atomic_write_text(path, json.dumps({"environment": environment(device), "results": results}, indent=1) + "\n")
    return path


def put_between_markers(document: Path, name: str, text: str) -> None:
    """Replaces what stands between <!-- NAME --> and <!-- /NAME --> in a Markdown page."""
    page = document.read_text()
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in page or end not in page:
        raise ValueError(f"{document} has no place marked {begin} ... {end}.")
    head, rest = page.split(begin, 1)
    atomic_write_text(document, f"{head}{begin}\n{text}\n{end}{rest.split(end, 1)[1]}")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
