# SPDX-License-Identifier: Apache-2.0
"""Shows what works on this machine: which path every operator takes, and a check of each part. Fails if one fails."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from configs import CONFIGS, resolve
from dnnlib.config import from_json, to_json
from training.camera_paths import camera_on_sphere, full_turn, orbit_phases
from training.cameras import HEAD_RADIUS, camera_from_label, label_from_camera
from training.data.index import open_index
from training.run_config import RunConfig

ROOT = Path(__file__).resolve().parent
FOLDER = ROOT / "demo"
NUM_HEADS = 24


class CheckError(Exception):
    """Something that must hold does not."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise CheckError(what)


def check_operators() -> str:
    doctor = subprocess.run([sys.executable, "-m", "torch_utils.ops", "--check"], cwd=ROOT, check=False)
    require(
        doctor.returncode == 0,
        f"`python -m torch_utils.ops --check` ended with status {doctor.returncode}; see what it says above",
    )
    return "each agrees with its reference on every path that this machine has"


def check_configurations() -> str:
    for name in CONFIGS:
        config = resolve(name)
        require(from_json(RunConfig, to_json(config)) == config, f"{name} is another configuration after JSON")
    return f"{len(CONFIGS)} in the table ({', '.join(CONFIGS)}), the same after a round trip through JSON"


def check_cameras(num_frames: int = 240) -> str:
    phase_rad = orbit_phases(num_frames)
    camera = camera_on_sphere(*full_turn(phase_rad))
    require(
        bool(torch.equal(label_from_camera(camera_from_label(label_from_camera(camera))), label_from_camera(camera))),
        "a label changes when it is decoded and encoded",
    )
    distance = camera.position.norm(dim=-1)
    require(bool((distance - HEAD_RADIUS).abs().max() < 1e-9), "the orbit leaves its sphere")
    gaze = (camera.position + HEAD_RADIUS * camera.forward).norm(dim=-1)
    require(bool(gaze.max() < 1e-9), "a camera of the orbit looks past the head")
    seam = camera_on_sphere(*full_turn(phase_rad[:1] + 2 * math.pi)).position - camera.position[:1]
    require(bool(seam.norm() < 1e-9), "the orbit does not close")
    return f"an orbit of {num_frames} looks at the head all the way, closes, and survives its 25-number labels"


def check_heads() -> str:
    images, masks = FOLDER / "heads.zip", FOLDER / "heads_seg.zip"
    FOLDER.mkdir(exist_ok=True)
    command = [sys.executable, "dataset_tool.py", "synth", "--num", NUM_HEADS, "--force"]
    command += ["--img_dest", images, "--seg_dest", masks]
    tool = subprocess.run([*map(str, command)], cwd=ROOT, check=False, capture_output=True, text=True)
    require(tool.returncode == 0, f"`dataset_tool.py synth` ended with status {tool.returncode}: {tool.stderr.strip()}")
    heads = open_index(images, masks)
    require(len(heads) == NUM_HEADS, f"{len(heads)} heads are there instead of {NUM_HEADS}")
    for item in range(NUM_HEADS):
        share = (heads.read(item).mask > 127).mean()
        require(0.1 < share < 0.9, f"the head fills {share:.0%} of {heads.names[item]}")
    return f"{NUM_HEADS} procedural heads with cameras, masks and depth: look at {FOLDER / 'heads-sheet.png'}"


CHECKS: dict[str, Callable[[], str]] = {
    "operators": check_operators,
    "configurations": check_configurations,
    "cameras": check_cameras,
    "heads": check_heads,
}


def main() -> int:
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, {torch.get_num_threads()} threads, ", end="")
    print(torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device", flush=True)
    results = {}
    for name, check in CHECKS.items():
        start = time.perf_counter()
        try:
            results[name] = (True, check(), time.perf_counter() - start)
        except CheckError as failure:
            results[name] = (False, str(failure), time.perf_counter() - start)
    print()
    for name, (holds, line, seconds) in results.items():
        print(f"{'ok    ' if holds else 'FAILED'} {name:<15} {line} ({seconds:.1f} s)")
    return 0 if all(holds for holds, _, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
