# SPDX-License-Identifier: Apache-2.0
"""Freed memory that stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from torch_utils import heap

PROGRAM = """
import resource, torch
from torch_utils import heap
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.zeros(25_000_000).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()
faults(); usual = faults()
heap.keep_freed_memory(); faults(); kept = faults()
before = resident(); heap.trim()
print(usual, kept, before - resident())
"""


@pytest.mark.skipif(heap._glibc() is None, reason="only glibc is told")
def test_memory_that_is_kept_is_not_fetched_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    usual, kept, trimmed = (int(word) for word in done.stdout.split())
    assert kept < 0.1 * usual
    assert trimmed > 50e6  # The 100 MB that were kept.


@pytest.mark.skipif(heap._glibc() is None, reason="only glibc is told")
def test_what_is_kept_lies_on_huge_pages() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system gives none")
    program = "import torch; from torch_utils import heap; heap.keep_freed_memory(); held = torch.zeros(25_000_000); "
    program += "print(*[l.split()[1] for l in open('/proc/self/smaps_rollup') if l.startswith('AnonHuge')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 > 50e6


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not heap.keep_freed_memory()
    assert not heap.trim()
