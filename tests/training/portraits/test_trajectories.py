# SPDX-License-Identifier: Apache-2.0
"""Cameras of videos: around, to and fro, from files; strange files are told."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, labels, small_generator
from training.cameras import camera_from_label, view_angles
from training.portraits.trajectories import moving, read_trajectory, target_of


def test_a_full_turn_goes_around_in_equal_steps_and_closes() -> None:
    camera = camera_from_label(moving(small_generator(), "Head", 60))
    azimuth_rad = view_angles(camera).azimuth_rad
    steps = torch.remainder(azimuth_rad.roll(-1) - azimuth_rad, 2 * math.pi)  # The last step is over the seam.
    torch.testing.assert_close(steps, torch.full((60,), 2 * math.pi / 60), atol=1e-5, rtol=0)
    torch.testing.assert_close(camera.position.norm(dim=1), torch.full((60,), 2.7))


@pytest.mark.parametrize("motion", ["FFHQ", "Cats"])
def test_a_sway_stays_before_the_face_and_closes(motion: str) -> None:
    G = small_generator()
    camera = camera_from_label(moving(G, motion, 60))
    assert view_angles(camera).azimuth_rad.abs().max() < 1.8
    steps = (camera.position.roll(-1, 0) - camera.position).norm(dim=1)
    assert steps[-1] < steps.max() * 1.01
    target = torch.tensor(target_of(G, motion))
    to_target = torch.nn.functional.normalize(target - camera.position, dim=1)
    torch.testing.assert_close(to_target, camera.forward, atol=1e-5, rtol=0)


def test_cameras_look_at_the_pivot_of_the_model_from_its_distance() -> None:
    G = small_generator(replace(CONFIG, camera_radius=1.7, camera_pivot=(0.0, 0.0, -0.06)))
    assert target_of(G, "FFHQ") == (0.0, 0.0, -0.06)
    camera = camera_from_label(moving(G, "Head", 8))
    torch.testing.assert_close(camera.position.norm(dim=1), torch.full((8,), 1.7))


def test_files_give_their_labels_in_order(tmp_path: Path) -> None:
    wanted = labels(0.5, -0.2, 0.1)
    np.save(tmp_path / "a.npy", wanted.numpy())
    rows = [[f"{name}.png", list(map(str, row))] for name, row in zip("zay", wanted.tolist(), strict=True)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": rows}))
    for name in ("a.npy", "dataset.json"):
        torch.testing.assert_close(read_trajectory(tmp_path / name), wanted)


def declaring(shape: tuple[int, ...]) -> bytes:
    """A file that says it has more than any memory."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


def broken() -> dict[str, tuple[bytes | np.ndarray, str]]:
    good = labels(0.5, -0.2).numpy()
    inverted, missing = good.copy(), good.copy()
    for row in inverted:
        row[:16] = np.linalg.inv(row[:16].reshape(4, 4)).reshape(-1)
    missing[1, 3] = np.nan
    return {
        "short.npy": (good[:, :16], r"\[frames, 25\]"),
        "whole.npy": (np.zeros((2, 25), dtype=int), "array of floats"),
        "objects.npy": (np.array([{}, {}]), "no .npy file of numbers"),
        "text.npy": (b"hello", "no .npy file of numbers"),
        "large.npy": (declaring((10**12, 25)), "no .npy file of numbers"),
        "empty.npy": (good[:0], "has no camera labels"),
        "nan.npy": (missing, "label 1"),
        "inverted.npy": (inverted, "inv"),
        "null.json": (b'{"labels": null}', "has no camera labels"),
        "entry.json": (b'{"labels": [["a.png", [1, 2]]]}', "a.png"),
    }


@pytest.mark.parametrize("name", list(broken()))
def test_what_is_no_trajectory_is_told_with_the_file(tmp_path: Path, name: str) -> None:
    content, words = broken()[name]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(ValueError, match=words) as caught:
        read_trajectory(tmp_path / name)
    assert name in str(caught.value)
