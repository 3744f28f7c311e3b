# SPDX-License-Identifier: Apache-2.0
"""A mesh is read from its file as it was written, and drawn where it is."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnnlib.shape_files.glb import Surface, write_glb
from tour.mesh_views import AZIMUTHS_DEG, drawn, read_glb

RED, GREEN = (230, 20, 20), (20, 200, 20)


def plate(z: float, facing: float, **looks: np.ndarray) -> Surface:
    """A square of 0.2 before the face or behind the head; `facing` is the z of its normal."""
    vertices = np.array([[-0.1, -0.1, z], [0.1, -0.1, z], [0.1, 0.1, z], [-0.1, 0.1, z]])
    normals = np.tile([0.0, 0.0, facing], (4, 1))
    return Surface(vertices, normals, np.array([[0, 1, 2], [0, 2, 3]]), **looks)


def file_with(path: Path, *surfaces: Surface, texture: bytes | None = None) -> Path:
    with path.open("wb") as file:
        write_glb(file, list(surfaces), texture)
    return path


def test_surfaces_come_back(tmp_path: Path) -> None:
    red, green = (np.tile(np.array(colour, np.uint8), (4, 1)) for colour in (RED, GREEN))
    path = file_with(tmp_path / "a.glb", plate(0.1, 1, colours=red), plate(-0.1, -1, colours=green))
    mesh = read_glb(path)
    assert mesh.vertices.shape == (8, 3)
    assert mesh.triangles.tolist() == [[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]
    assert mesh.colours[0] == pytest.approx(RED, abs=0.5)
    assert mesh.colours[3] == pytest.approx(GREEN, abs=0.5)


def test_each_side_shows_what_is_there(tmp_path: Path) -> None:
    red, green = (np.tile(np.array(colour, np.uint8), (4, 1)) for colour in (RED, GREEN))
    path = file_with(tmp_path / "a.glb", plate(0.1, 1, colours=red), plate(-0.1, -1, colours=green))
    sheet = drawn(read_glb(path), 64)
    assert sheet.shape == (128, 64 * len(AZIMUTHS_DEG), 4)
    front, back = (sheet[32, 64 * AZIMUTHS_DEG.index(azimuth) + 32] for azimuth in (0, 180))
    assert front.tolist() == [*RED, 255]
    assert back.tolist() == [*GREEN, 255]
    assert sheet[2, 2, 3] == 0, "clear where nothing is"
    clay = sheet[96, 32]
    assert np.ptp(clay[:3].astype(int)) < 20, "grey"
    assert clay[3] == 255


def test_a_texture_lies_the_right_way_up(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32], pixels[32:] = RED, GREEN
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=95)
    corners = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float)  # v runs down.
    fine = plate(0.1, 1, uv=corners)
    mesh = read_glb(file_with(tmp_path / "a.glb", fine, texture=data.getvalue()))
    low, high = mesh.colours  # The triangle below right, and the one above left.
    assert low == pytest.approx(GREEN, abs=12)
    assert high == pytest.approx(RED, abs=12)
