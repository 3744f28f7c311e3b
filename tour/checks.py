# SPDX-License-Identifier: Apache-2.0
"""What must hold before anything is worth showing: operators, configurations, cameras, data. Each takes seconds."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from configs import CONFIGS, resolve
from dnnlib.config import from_json, to_json
from training.camera_paths import camera_on_sphere, full_turn, orbit_phases
from training.cameras import HEAD_RADIUS, camera_from_label, label_from_camera
from training.data.index import open_index
from training.run_config import RunConfig

ROOT = Path(__file__).resolve().parents[1]
NUM_HEADS = 24


class CheckError(Exception):
    """Something that must hold does not."""


class Checked(NamedTuple):
    """What came of a check: `line` says what holds, or what does not."""

    name: str
    holds: bool
    line: str
    seconds: float


def require(holds: bool, what: str) -> None:
    """Ends a check that does not hold."""
    if not holds:
        raise CheckError(what)


def check_operators(folder: Path) -> str:
    """Native operators against their references."""
    doctor = subprocess.run([sys.executable, "-m", "torch_utils.ops", "--check"], cwd=ROOT, check=False)
    require(
        doctor.returncode == 0,
        f"`python -m torch_utils.ops --check` ended with status {doctor.returncode}; see what it says above",
    )
    return "each agrees with its reference on every path that this machine has"


def check_configurations(folder: Path) -> str:
    """JSON and back."""
    for name in CONFIGS:
        config = resolve(name)
        require(from_json(RunConfig, to_json(config)) == config, f"{name} is another configuration after JSON")
    return f"{len(CONFIGS)} in the table ({', '.join(CONFIGS)}), the same after a round trip through JSON"


def check_cameras(folder: Path, num_frames: int = 240) -> str:
    """An orbit."""
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


def check_heads(folder: Path) -> str:
    """A small set of procedural heads."""
    images, masks = folder / "heads.zip", folder / "heads_seg.zip"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "dataset_tool.py", "synth", "--num", NUM_HEADS, "--force"]
    command += ["--img_dest", images.absolute(), "--seg_dest", masks.absolute()]
    tool = subprocess.run([*map(str, command)], cwd=ROOT, check=False, capture_output=True, text=True)
    require(tool.returncode == 0, f"`dataset_tool.py synth` ended with status {tool.returncode}: {tool.stderr.strip()}")
    heads = open_index(images, masks)
    require(len(heads) == NUM_HEADS, f"{len(heads)} heads are there instead of {NUM_HEADS}")
    for item in range(NUM_HEADS):
        share = (heads.read(item).mask > 127).mean()
        require(0.1 < share < 0.9, f"the head fills {share:.0%} of {heads.names[item]}")
    return f"{NUM_HEADS} procedural heads with cameras, masks and depth: look at {folder / 'heads-sheet.png'}"


CHECKS: dict[str, Callable[[Path], str]] = {
    "operators": check_operators,
    "configurations": check_configurations,
    "cameras": check_cameras,
    "heads": check_heads,
}


def run_checks(folder: Path) -> list[Checked]:
    """All of them. `folder` is for what they make."""
    results = []
    for name, check in CHECKS.items():
        start_s = time.perf_counter()
        try:
            holds, line = True, check(folder)
        except CheckError as failure:
            holds, line = False, str(failure)
        results.append(Checked(name, holds, line, time.perf_counter() - start_s))
    return results


def machine() -> str:
    """What this is run on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    return f"Python {sys.version.split()[0]}, torch {torch.__version__}, {torch.get_num_threads()} threads, {gpu}"
