# SPDX-License-Identifier: Apache-2.0
"""Cameras of any world become those of the project's; what is in the way is said, with the options that mend it."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnlib.files import open_store
from tests.marks import slow_but
from training.camera_checks import check_labels
from training.camera_paths import camera_on_sphere, sample_hv
from training.cameras import label_from_camera
from training.data.camera_files.camera_set import OPENGL_AXES, CameraFileError, CameraSet
from training.data.camera_files.convert import Conversion, check, convert, for_pictures, shape_notes
from training.data.camera_files.pictures import Pictures
from training.data.camera_files.world import (
    UPS,
    meeting_point,
    recentred,
    rescaled,
    turned,
    up_of_cameras,
    with_front,
    with_up,
)


def around_head(n: int = 40, seed: int = 0, h_std: float = math.pi) -> CameraSet:
    generator = torch.Generator().manual_seed(seed)
    h, v = sample_hv(n, h_std_rad=h_std, v_std_rad=0.4, kind="uniform", generator=generator, dtype=torch.float64)
    labels = label_from_camera(camera_on_sphere(h, v)).numpy()
    T, K = labels[:, :16].reshape(-1, 4, 4), labels[:, 16:].reshape(-1, 3, 3)
    return CameraSet(tuple(f"{i:03}.png" for i in range(n)), T, K, np.full((n, 2), 512))


def moved(cameras: CameraSet, offset: list[float], scale: float = 1.0) -> CameraSet:
    T = cameras.T_world_cam.copy()
    T[:, :3, 3] = T[:, :3, 3] * scale + offset
    return dataclasses.replace(cameras, T_world_cam=T)


def from_opengl(cameras: CameraSet) -> CameraSet:
    return dataclasses.replace(cameras, T_world_cam=cameras.T_world_cam @ OPENGL_AXES)


def rotation(seed: int) -> np.ndarray:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.linalg.det(q)


@pytest.mark.parametrize("up", UPS[:-1])
def test_the_axis_that_is_up_becomes_plus_y_by_a_rotation(up: str) -> None:
    axis = np.eye(3)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    pose = np.eye(4)
    pose[:3, 3] = axis
    one = CameraSet(("a",), pose[None], np.eye(3)[None], np.zeros((1, 2), int))
    T = with_up(one, up).T_world_cam[0]
    np.testing.assert_allclose(T[:3, 3], [0, 1, 0], atol=1e-12)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1)


def test_the_front_of_a_blender_scene_becomes_the_front() -> None:
    pose = np.eye(4)
    pose[:3, 3] = [0, -3, 0]  # Where Blender's front view is seen from.
    one = CameraSet(("a",), pose[None], np.eye(3)[None], np.zeros((1, 2), int))
    np.testing.assert_allclose(with_up(one, "z").T_world_cam[0, :3, 3], [0, 0, 3], atol=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(10, 60))  # Three may stand on one side by chance, which is below.
def test_the_pictures_up_is_found_in_a_world_turned_anyhow(seed: int, n: int) -> None:
    R = rotation(seed)
    up = up_of_cameras(turned(around_head(n, seed), R).T_world_cam)
    np.testing.assert_allclose(up, R @ [0, 1, 0], atol=1e-6)


def test_the_pictures_up_is_found_when_all_look_from_one_side() -> None:
    cameras = turned(around_head(20, h_std=0.05), rotation(3))
    assert up_of_cameras(cameras.T_world_cam) @ rotation(3) @ [0, 1, 0] > 0.9


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    offset=st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3),
    scale=st.floats(0.01, 100),
)
def test_rays_that_meet_are_brought_to_the_origin_and_the_radius(seed: int, offset: list[float], scale: float) -> None:
    cameras = moved(around_head(12, seed), offset, scale)
    point, misses = meeting_point(cameras.T_world_cam)
    np.testing.assert_allclose(point, offset, atol=1e-6)
    assert misses.max() < 1e-6
    mended = rescaled(recentred(cameras), 2.7)
    np.testing.assert_allclose(mended.labels, around_head(12, seed).labels, atol=1e-3 / scale * 1e-2 + 1e-6)
    assert "recentred" in mended.notes[0]
    assert "rescaled" in mended.notes[1]


def test_the_meeting_point_is_the_least_squares_point() -> None:
    cameras = around_head(9)
    rng = np.random.default_rng(0)
    noisy = dataclasses.replace(cameras, T_world_cam=cameras.T_world_cam.copy())
    noisy.T_world_cam[:, :3, 3] += rng.normal(scale=0.1, size=(9, 3))
    point, misses = meeting_point(noisy.T_world_cam)

    def cost(p: np.ndarray) -> float:
        offset = p - noisy.T_world_cam[:, :3, 3]
        forward = noisy.T_world_cam[:, :3, 2]
        return float((np.cross(offset, forward) ** 2).sum())

    assert cost(point) == pytest.approx((misses**2).sum())
    assert all(cost(point) < cost(point + step) for step in 1e-3 * np.concatenate([np.eye(3), -np.eye(3)]))


def test_parallel_rays_meet_nowhere() -> None:
    cameras = around_head(5)
    cameras.T_world_cam[:] = cameras.T_world_cam[0]
    with pytest.raises(CameraFileError, match="one direction"):
        recentred(cameras)


def test_the_front_may_be_given_in_degrees_or_by_a_picture() -> None:
    cameras = around_head()
    azimuth = np.degrees(np.arctan2(*-cameras.T_world_cam[7, [0, 2], 2]))
    by_degrees = convert(cameras, Conversion(front=str(azimuth)))
    by_name = convert(cameras, Conversion(front="007.png"))
    np.testing.assert_allclose(by_name.labels, by_degrees.labels, atol=1e-9)
    assert by_name.T_world_cam[7, 0, 2] == pytest.approx(0, abs=1e-12)
    assert by_name.T_world_cam[7, 2, 2] < 0
    np.testing.assert_allclose(with_front(with_front(cameras, 0.3), -0.3).labels, cameras.labels, atol=1e-12)
    with pytest.raises(CameraFileError, match="nobody"):
        convert(cameras, Conversion(front="nobody.png"))
    with pytest.raises(CameraFileError, match="angle"):
        convert(cameras, Conversion(front="nan"))


def test_sound_cameras_pass() -> None:
    check(around_head(), Conversion())


def test_a_focal_length_replaces_the_file_s() -> None:
    cameras = convert(around_head(), Conversion(focal=3.0))
    assert (cameras.intrinsics == [[3, 0, 0.5], [0, 3, 0.5], [0, 0, 1]]).all()


Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
BROKEN = {
    "--flip axes": from_opengl(around_head()),
    "--up z": turned(around_head(), Z_UP),
    "--up -y": turned(around_head(), np.diag([1.0, -1, -1])),
    "--flip inverse": dataclasses.replace(around_head(), T_world_cam=np.linalg.inv(around_head().T_world_cam)),
    "--flip axes --up z": from_opengl(turned(around_head(), Z_UP)),
    "--up cameras": turned(around_head(), rotation(5)),
    "--up y --recentre": moved(around_head(), [0, 9, 20]),
    "--up cameras --recentre": moved(turned(around_head(), rotation(5)), [3, 4, 50], 7),
    "--up y --rescale": moved(around_head(), [0, 0, 0], 1000),
    "--up z --recentre --rescale": moved(turned(around_head(), Z_UP), [300, 4, 50], 0.01),
}


# The others are variations of these, and take a second each.
FEW = ("--flip axes", "--flip inverse", "--up cameras --recentre", "--up z --recentre --rescale")


@pytest.mark.parametrize("options", slow_but(FEW, BROKEN))
def test_cameras_that_are_not_in_order_are_refused_with_the_options_that_mend_them(options: str) -> None:
    with pytest.raises(CameraFileError) as error:
        check(BROKEN[options], Conversion())
    advice = str(error.value).splitlines()[-1]
    assert options in advice
    words = advice.partition(": ")[2].split()
    flips = tuple(b for a, b in itertools.pairwise(words) if a == "--flip")
    up = next(b for a, b in itertools.pairwise(words) if a == "--up")
    check_labels(
        convert(BROKEN[options], Conversion(flips, up, "--recentre" in words, rescale="--rescale" in words)).labels
    )


def test_what_no_option_mends_is_said_to_be_so() -> None:
    cameras = around_head()
    cameras.T_world_cam[:, :3, 0] *= -1  # Left-handed.
    with pytest.raises(CameraFileError, match="No choice"):
        check(cameras, Conversion())


def test_cameras_take_the_names_of_the_pictures_and_what_is_left_over_is_said(tmp_path) -> None:
    for name in ("b/001.jpg", "b/002.jpg", "b/zzz.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with open_store(tmp_path) as store:
        found = for_pictures(around_head(3), Pictures(store))
        with pytest.raises(CameraFileError, match="none of the 2 cameras"):
            for_pictures(dataclasses.replace(around_head(2), names=("q.png", "r.png")), Pictures(store))
        with pytest.raises(CameraFileError, match="both cameras"):
            for_pictures(dataclasses.replace(around_head(2), names=("001.png", "001.jpg")), Pictures(store))
    assert found.names == ("b/001.jpg", "b/002.jpg")
    np.testing.assert_array_equal(found.labels, around_head(3).labels[1:])
    assert "1 of 3 pictures have no camera" in found.notes[0]
    assert "1 of 3 cameras were left out" in found.notes[1]


def test_what_follows_from_oblong_pictures_is_said() -> None:
    cameras = around_head(2)
    assert shape_notes(cameras) == []
    cameras.sizes[1] = 640, 480
    assert "640 x 480" in shape_notes(cameras)[0]
