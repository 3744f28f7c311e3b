# SPDX-License-Identifier: Apache-2.0
"""Freed memory that stays. Every program is a process of its own: what is kept cannot be unkept."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import Process
from torch_utils import heap
from torch_utils.ops import native

ROOT = Path(__file__).parents[2]
Run = Callable[..., list[str]]

linux_only = pytest.mark.skipif(heap._glibc() is None, reason="elsewhere nothing is kept")
# Both ways: the native library's own memory, and glibc told to keep.
both_ways = pytest.mark.parametrize("ops", ["native", "reference"])

PRELUDE = """
import gc, os, random, resource, threading
import torch
from torch_utils import heap
def resident():
    return int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
"""


@pytest.fixture(scope="module")
def built() -> None:
    """Or a program would wait for it, which may take longer than one may."""
    native.why_not("kept_memory", "cpu")


@pytest.fixture
def run(built: None, tmp_path: Path) -> Run:
    """Gives the words of the last line that a program prints; before it PyTorch may log."""

    def run(program: str, ops: str = "native") -> list[str]:
        process = Process(PRELUDE + program, {**os.environ, "FULLHEAD_OPS": ops}, tmp_path / "output.txt")
        try:
            assert process.wait() == 0, process.text
        finally:
            process.end()
        return process.lines[-1].split()

    return run


@linux_only
@both_ways
def test_memory_that_is_kept_is_not_fetched_again(run: Run, ops: str) -> None:
    program = """
def cost():
    before = faults()
    for _ in range(5):
        torch.zeros(25_000_000).sum()
    return faults() - before
cost(); usual = cost()
assert heap.keep_freed_memory()
cost(); kept = cost()
before = resident(); heap.trim()
print(usual, kept, before - resident())
"""
    usual, kept, trimmed = map(int, run(program, ops))
    assert kept < 0.1 * usual
    assert trimmed > 50e6  # The 100 MB that were kept.


@linux_only
def test_what_is_kept_lies_on_huge_pages(run: Run) -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system gives none")
    program = """
heap.keep_freed_memory(); held = torch.zeros(25_000_000)
print(*[l.split()[1] for l in open('/proc/self/smaps_rollup') if l.startswith('AnonHuge')])
"""
    assert int(*run(program)) * 1024 > 50e6


@linux_only
def test_pieces_of_any_sizes_keep_what_is_written_into_them(run: Run) -> None:
    program = """
heap.keep_freed_memory()
def churn(seed, failures):
    rng, held = random.Random(seed), []
    for step in range(1500):
        if held and rng.random() < 0.5:
            piece, value = held.pop(rng.randrange(len(held)))
            if not bool((piece == value).all()):
                failures.append((seed, step))
        else:
            piece = torch.empty(int(2 ** rng.uniform(0, 22)), dtype=torch.uint8)
            value = rng.randrange(256)
            held.append((piece.fill_(value), value))
    spans = sorted((piece.data_ptr(), piece.numel()) for piece, _ in held)
    failures += [a for a, b in zip(spans, spans[1:]) if a[0] + a[1] > b[0]]
failures = []
threads = [threading.Thread(target=churn, args=(seed, failures)) for seed in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(failures))
"""
    assert run(program) == ["0"]


@linux_only
def test_no_more_is_touched_than_was_in_use_at_once(run: Run) -> None:
    """Pieces that grow by turns: of each size only one is in use, and a list of free pieces by size would keep all."""
    program = """
heap.keep_freed_memory()
before = resident()
for size in range(1, 41):
    torch.zeros(size << 20, dtype=torch.uint8)
print(resident() - before)
"""
    grown = int(*run(program))
    assert 40e6 < grown < 1.3 * 40 * 2**20


@linux_only
def test_gaps_that_touch_become_one(run: Run) -> None:
    program = """
heap.keep_freed_memory()
pieces = [torch.zeros(4 << 20, dtype=torch.uint8) for _ in range(6)]
first = pieces[0].data_ptr()
assert [p.data_ptr() for p in pieces] == [first + i * (4 << 20) for i in range(6)]
for order in ([1, 2, 3], [3, 2, 1], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2]):
    for i in order:
        pieces[i] = None
    whole = torch.zeros(12 << 20, dtype=torch.uint8)
    assert whole.data_ptr() == first + (4 << 20), order
    del whole
    for i in (1, 2, 3):
        pieces[i] = torch.zeros(4 << 20, dtype=torch.uint8)
print("one")
"""
    assert run(program) == ["one"]


@linux_only
def test_pieces_from_before_and_of_the_system_are_given_back_where_they_came_from(built: None) -> None:
    program = """
conv = torch.nn.Conv2d(8, 8, 3)
x = torch.randn(1, 8, 300, 300)
y, older = conv(x), torch.zeros(1 << 22)
heap.keep_freed_memory()
assert torch.equal(conv(x), y)
del older, y, x
grown = torch.zeros(10).resize_(1 << 20).zero_().resize_(1 << 22).zero_()
array = torch.zeros(1 << 20).numpy(); gc.collect(); array[:] = 1
try:
    torch.empty(1 << 60, dtype=torch.uint8)  # More than there are addresses.
except RuntimeError as error:
    print(type(error).__name__, float(array.sum()) == 1 << 20, float(grown.sum()))
"""
    # Not forked from a server, so that Python's interpreter ends: that gives back what is left.
    command, env = [sys.executable, "-c", PRELUDE + program], {**os.environ, "FULLHEAD_OPS": "native"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["RuntimeError", "True", "0.0"]


@linux_only
def test_a_child_goes_on_with_its_own(run: Run) -> None:
    program = """
torch.set_num_threads(1)  # OpenMP's threads do not live through a fork.
heap.keep_freed_memory()
begun, stop = threading.Event(), threading.Event()
def work():
    while not stop.is_set():
        torch.zeros(1 << 20); begun.set()
held = torch.ones(1 << 20)
held.fill_(1); torch.empty(1 << 20).fill_(1)
# A function of PyTorch takes a lock of glibc's at its first use: a fork in that moment leaves it locked in the child.
worker = threading.Thread(target=work); worker.start(); begun.wait()
try:
    for _ in range(20):
        child = os.fork()
        if child == 0:
            held.fill_(2); torch.empty(1 << 20).fill_(3)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
finally:
    stop.set(); worker.join()
print(float(held.sum()) == 1 << 20)
"""
    assert run(program) == ["True"]


@linux_only
def test_the_profiler_counts_them(run: Run) -> None:
    program = """
heap.keep_freed_memory()
with torch.profiler.profile(profile_memory=True) as seen:
    torch.zeros(1 << 20)
print(max(event.cpu_memory_usage for event in seen.events()))
"""
    assert run(program) == [str(4 << 20)]


@linux_only
def test_a_process_without_addresses_tells_glibc(run: Run) -> None:
    program = """
import resource
import torch_utils.ops.native as native
assert native.why_not("kept_memory", "cpu") is None
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
print(heap.keep_freed_memory(), torch.zeros(1 << 22).sum().item())
"""
    assert run(program) == ["True", "0.0"]


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not heap.keep_freed_memory()
    heap.trim()
