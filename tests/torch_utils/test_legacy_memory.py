# SPDX-License-Identifier: Apache-2.0
"""Reading a snapshot takes memory in proportion to the file, whatever the file declares."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.torch_utils.legacy_snapshots import storage_bytes

ROOT = Path(__file__).parents[2]
MIB = 2**20

# A fork per file starts its count of the highest memory anew, and a crash ends that fork alone.
MEASURE = """
import os, sys
from torch_utils.legacy_pickle import LegacyPickleError, read

def memory_bytes(line):
    return next(int(text.split()[1]) * 1024 for text in open("/proc/self/status") if text.startswith(line))

read(sys.argv[1])  # what is loaded with the first tensor is no cost of a file
for path in sys.argv[2:]:
    if os.fork() == 0:
        before = memory_bytes("VmRSS")
        try:
            keep = read(path)
            outcome = "read"
        except LegacyPickleError as refusal:
            outcome = str(refusal)
        print(memory_bytes("VmHWM") - before, outcome, flush=True)
        os._exit(0)
    if os.wait()[1] != 0:
        print(0, "crashed", flush=True)
"""


def growth(folder: Path, files: dict[str, bytes]) -> dict[str, tuple[int, str]]:
    """What reading each file adds to the highest memory of a process, in bytes, and what came of it."""
    contents = [pickle.dumps(torch.ones(2)), *files.values()]
    paths = [folder / f"{index}.pkl" for index in range(len(contents))]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=100).stdout
    found = [(int(size), outcome) for size, _, outcome in (line.partition(" ") for line in output.splitlines())]
    return dict(zip(files, found, strict=True))


STORAGE = storage_bytes(torch.ones(MIB // 4))
LOAD = b"ctorch.storage\n_load_from_bytes\nq\0B" + len(STORAGE).to_bytes(4, "little") + STORAGE + b"q\1"
ENCODE = b"c_codecs\nencode\nq\0X" + MIB.to_bytes(4, "little") + b"a" * MIB + b"q\1X\6\0\0\0latin1q\2"
NESTED = b"ctorch.nn.modules.container\nSequential\n)\x81}X\1\0\0\0a"
HUGE = (2**40).to_bytes(8, "little")

HOSTILE = {  # a program, why it is refused, and the most it may take
    "bytes that are not there": (b"\x8e" + HUGE + b"abc", "middle of a value", 2 * MIB),
    "text that is not there": (b"\x8d" + HUGE + b"abc", "middle of a value", 2 * MIB),
    "a frame that is not there": (b"\x95" + HUGE + b"N", "longer than the file", 2 * MIB),
    "elements that are not there": (LOAD.replace((MIB // 4).to_bytes(8, "little"), HUGE) + b"\x85R", "claims", 4 * MIB),
    "a far place in the memo": (b"]" + b"r\xff\xff\xff\xff" * 1000 + b"Nb", "missing where it is used", 2 * MIB),
    "doubling 60 times": (
        b"(]q\0" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60)) + b"t",
        "repeats",
        MIB,
    ),
    "one storage 500 times": (LOAD + b"(" + b"h\0h\1\x85R" * 500 + b"t", "again and again", 8 * MIB),
    "one text 500 times": (ENCODE + b"(" + b"h\0h\1h\2\x86R" * 500 + b"t", "again and again", 8 * MIB),
    "objects 40,000 deep": (NESTED * 40_000 + b"N" + b"sb" * 40_000, "nested", 32 * MIB),
    "a million sets": (b"(" + b"\x8f" * MIB + b"t", "steps", 160 * MIB),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the highest memory from /proc")
def test_memory_stays_in_proportion_to_the_file(tmp_path):
    tensors = [torch.ones(MIB) for _ in range(8)]
    honest = {f"protocol {protocol}": pickle.dumps(tensors, protocol) for protocol in (2, 4)}
    found = growth(tmp_path, honest | {name: b"\x80\4" + steps + b"." for name, (steps, _, _) in HOSTILE.items()})
    for name, (_, reason, most) in HOSTILE.items():
        size, outcome = found[name]
        assert "is not read" in outcome, name
        assert reason in outcome, name
        assert size < most, name
    assert found["protocol 4"][1] == found["protocol 2"][1] == "read"
    assert 0.9 < found["protocol 4"][0] / (32 * MIB) < 1.3
    assert 1.8 < found["protocol 2"][0] / (32 * MIB) < 2.6
