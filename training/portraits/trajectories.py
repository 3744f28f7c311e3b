# SPDX-License-Identifier: Apache-2.0
"""Where the camera of a video stands, frame by frame, as labels: around the head, before the face, or from a file."""

import io
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from training.camera_checks import check_labels
from training.camera_paths import front_sway, full_turn, orbit_phases
from training.cameras import LABEL_DIM
from training.data.labels import read_dataset_json
from training.generator import Generator
from training.portraits.views import Target, label_of_hv

# The names are those of the published sets that the paths suit.
MOTIONS = {"Head": full_turn, "FFHQ": front_sway, "Cats": front_sway}
_FACE = (0.0, 0.0, 0.2)  # What published cameras look at before a face.


def target_of(G: Generator, motion: str) -> Target:
    """What cameras of this motion look at."""
    pivot = G.config.camera_pivot
    return _FACE if motion == "FFHQ" and pivot == (0.0, 0.0, 0.0) else pivot


def moving(G: Generator, motion: str, num_frames: int) -> Float[Tensor, "frames 25"]:
    """Labels along a path that closes without a seam."""
    return label_of_hv(G, *MOTIONS[motion](orbit_phases(num_frames)), target_of(G, motion))


def read_trajectory(path: str | Path) -> Float[Tensor, "frames 25"]:
    """Labels of a file, one per frame: a NumPy array [frames, 25], or labels as dataset.json has them, in its order."""
    data = Path(path).read_bytes()
    if str(path).lower().endswith(".npy"):
        labels = _array(data, path)
    else:
        file = read_dataset_json(data, str(path))
        if file.problems:
            raise ValueError(f"{path}: {file.problems[0]}")
        labels = file.labels
    if labels is None or len(labels) == 0:
        raise ValueError(f"{path}: has no camera labels; give one for each frame of the video")
    try:
        check_labels(labels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return torch.from_numpy(np.asarray(labels, dtype=np.float32))


def _array(data: bytes, path: str | Path) -> np.ndarray:
    try:
        array = np.lib.format.read_array(io.BytesIO(data))  # Which refuses pickles.
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path}: is no .npy file of numbers, or a damaged one ({error})") from None
    if array.ndim != 2 or array.shape[1] != LABEL_DIM or array.dtype.kind != "f":
        raise ValueError(
            f"{path}: a trajectory is an array of floats [frames, {LABEL_DIM}], not {array.dtype} {list(array.shape)}"
        )
    return array
