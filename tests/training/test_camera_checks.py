# SPDX-License-Identifier: Apache-2.0
"""Sound labels pass; every usual mistake is refused, named, and mended by the recipe that the error gives."""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from training.camera_checks import LabelError, check_labels
from training.camera_paths import camera_on_sphere, full_turn, orbit_phases, sample_hv
from training.cameras import intrinsics_from_focal, label_from_camera, look_at
from training.types import Camera

FLIP_YZ = np.diag([1.0, -1, -1, 1])


def sound_labels(num: int, seed: int = 0, spread: float = 1.0) -> np.ndarray:
    """All around the head at spread 1; near the front at a small one."""
    generator = torch.Generator().manual_seed(seed)
    spreads = {"h_std_rad": spread * math.pi, "v_std_rad": spread * 1.2}
    angles = sample_hv(num, **spreads, kind="uniform", generator=generator, dtype=torch.float64)
    return label_from_camera(camera_on_sphere(*angles, target=(0.0, 0.0, 0.2))).numpy()


def poses(labels: np.ndarray) -> np.ndarray:
    return labels[:, :16].reshape(-1, 4, 4)


def intrinsics(labels: np.ndarray) -> np.ndarray:
    return labels[:, 16:].reshape(-1, 3, 3)


def with_poses(change):
    def apply(labels):
        return np.concatenate([change(poses(labels)).reshape(-1, 16), labels[:, 16:]], axis=1)

    return apply


def with_intrinsics(change):
    def apply(labels):
        return np.concatenate([labels[:, :16], change(intrinsics(labels)).reshape(-1, 9)], axis=1)

    return apply


def world_to_camera(T):
    return np.linalg.inv(T)


def by_column(matrices):
    return matrices.transpose(0, 2, 1)


def rescaled(T):
    T = T.copy()
    T[:, :3, :3] *= 3.0
    return T


# What is done to sound labels: (change, a phrase of the likely cause).
MISTAKES = {
    "opengl axes": (with_poses(lambda T: T @ FLIP_YZ), "camera axes are OpenGL's"),
    "world to camera": (with_poses(world_to_camera), "world-to-camera"),
    "opengl world to camera": (with_poses(lambda T: world_to_camera(T @ FLIP_YZ)), "world-to-camera.*OpenGL"),
    "y down world": (with_poses(lambda T: FLIP_YZ @ T), "world has y down"),
    "left-handed, y up": (with_poses(lambda T: T @ np.diag([1.0, -1, 1, 1])), "left-handed, with y up"),
    "left-handed, x left": (with_poses(lambda T: T @ np.diag([-1.0, 1, 1, 1])), "left-handed, with x to the left"),
    "left-handed, z backward": (with_poses(lambda T: T @ np.diag([1.0, 1, -1, 1])), "left-handed, with z backward"),
    "scaled": (with_poses(rescaled), "rotation is scaled"),
    "two decimals": (with_poses(lambda T: T.round(2)), "was rounded"),
    "by column": (with_poses(by_column), "stored column by column"),
    "opengl by column": (with_poses(lambda T: by_column(T @ FLIP_YZ)), "column by column, and .*OpenGL"),
    "world to camera by column": (
        with_poses(lambda T: by_column(world_to_camera(T))),
        "column.*, and .*world-to-camera",
    ),
    "pixels": (with_intrinsics(lambda K: np.diag([512.0, 512, 1]) @ K), "pixels.*512 x 512"),
    "pixels of an oblong image": (with_intrinsics(lambda K: np.diag([640.0, 480, 1]) @ K), "pixels.*640 x 480"),
    "minus one to one": (
        with_intrinsics(lambda K: np.array([[2.0, 0, -1], [0, 2, -1], [0, 0, 1]]) @ K),
        "from -1 to 1",
    ),
    "all divided": (with_intrinsics(lambda K: K / np.array([1, 1, 512.0])[:, None]), "last row was divided"),
    "intrinsics by column": (with_intrinsics(by_column), "intrinsics are stored column by column"),
}


def mended(labels: np.ndarray, recipe: str) -> np.ndarray:
    labels = labels.copy()
    exec(recipe, {"np": np, "labels": labels})
    return labels


@pytest.mark.parametrize("spread", [1.0, 0.2], ids=["all around", "in front"])
@pytest.mark.parametrize("num", [1, 300])
@pytest.mark.parametrize(("change", "cause"), MISTAKES.values(), ids=MISTAKES)
def test_every_usual_mistake_is_named_and_its_recipe_gives_the_sound_labels_back(change, cause, num, spread):
    labels = sound_labels(num, seed=3, spread=spread)
    wrong = np.ascontiguousarray(change(labels))
    with pytest.raises(LabelError, match=f"Likely cause: .*{cause}.*\n.*all labels") as caught:
        check_labels(wrong)
    assert set(caught.value.indices) <= set(range(num))
    tolerance = 0.02 if cause == "was rounded" else 1e-9
    np.testing.assert_allclose(mended(wrong, caught.value.recipe), labels, atol=tolerance)


@pytest.mark.parametrize(("change", "cause"), MISTAKES.values(), ids=MISTAKES)
def test_the_recipe_for_a_few_wrong_labels_is_for_those_only(change, cause):
    labels = label_from_camera(camera_on_sphere(*full_turn(orbit_phases(50)))).numpy()
    wrong = labels.copy()
    wrong[[7, 11, 40]] = change(labels)[[7, 11, 40]]
    with pytest.raises(LabelError, match=rf"(?s)Camera label 7 .*3 of 50 .*7, 11, 40\n.*{cause}") as caught:
        check_labels(wrong)
    assert caught.value.indices == [7, 11, 40]
    if cause not in {"last row was divided", "was rounded", "rotation is scaled"}:  # Those do sound labels no harm.
        assert "not the others" in str(caught.value)


def test_many_nearly_frontal_inverted_poses_are_found_together():
    labels = sound_labels(100, spread=0.05)
    wrong = with_poses(world_to_camera)(labels)
    check_labels(labels)
    check_labels(wrong[:3])  # One by one they could be cameras that aim a few degrees past the head.
    with pytest.raises(LabelError, match=r"(?s)with all others.*world-to-camera.*all labels") as caught:
        check_labels(wrong)
    np.testing.assert_allclose(mended(wrong, caught.value.recipe), labels, atol=1e-9)


# An axis of the world that is up: (up, in that world; a phrase of the likely cause).
UPS = {
    "z": ([0, 0, 1], "has z up"),
    "-z": ([0, 0, -1], "has -z up"),
    "x": ([1, 0, 0], "x up"),
    "-x": ([-1, 0, 0], "-x up"),
}


def lying(up, azimuths_deg, elevations_deg):
    """Labels of a world with another axis up."""
    azimuth, elevation = np.radians(azimuths_deg), np.radians(elevations_deg)
    h, v = torch.tensor(azimuth + math.pi / 2), torch.tensor(math.pi / 2 * (1 - np.sin(elevation)))
    level = np.roll(up, 1)
    R = np.eye(4)
    R[:3, :3] = np.stack([np.cross(up, level), up, level], axis=1)
    return with_poses(lambda T: R @ T)(label_from_camera(camera_on_sphere(h, v)).numpy())


@pytest.mark.parametrize("opengl", [False, True])
@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(180, 12), (180, 50), (20, 10)], ids=str)
@pytest.mark.parametrize(("up", "cause"), UPS.values(), ids=UPS)
def test_a_world_that_lies_on_its_side_is_found_by_all_labels_together(up, cause, azimuth_deg, elevation_deg, opengl):
    rng = np.random.default_rng(0)
    labels = lying(up, rng.uniform(-azimuth_deg, azimuth_deg, 60), rng.uniform(-12, elevation_deg, 60))
    labels = with_poses(lambda T: T @ FLIP_YZ)(labels) if opengl else labels
    with pytest.raises(LabelError, match=cause) as caught:
        check_labels(labels)
    assert ("OpenGL" in str(caught.value)) == opengl
    check_labels(mended(labels, caught.value.recipe))


def test_views_that_are_steep_or_tilted_are_not_taken_for_another_world():
    rng = np.random.default_rng(1)
    up = [0, 1, 0]
    check_labels(lying(up, rng.uniform(-180, 180, 60), np.full(60, 65.0)))  # All around from far above.
    check_labels(lying(up, [0.0, 5, 10], [80.0, 75, 70]))  # Few.
    check_labels(lying(up, np.full(60, 90.0), rng.normal(0, 5, 60)))  # Profiles only.
    frontal = lying(up, rng.normal(0, 3, 200), rng.normal(0, 3, 200))
    roll = Rotation.from_euler("z", rng.normal(0, 20, (200, 1)), degrees=True).as_matrix()
    tilted = frontal.copy()
    poses(tilted)[:, :3, :3] = poses(frontal)[:, :3, :3] @ roll
    check_labels(tilted)


@pytest.mark.parametrize("factor", [1000.0, 0.01, 1e20])
def test_another_unit_of_length_is_named_and_mended(factor):
    labels = sound_labels(30)
    labels[:, [3, 7, 11]] *= factor
    with pytest.raises(LabelError, match=r"units away from the head(.|\n)*another unit of length") as caught:
        check_labels(labels)
    check_labels(mended(labels, caught.value.recipe))


def test_one_camera_far_away_is_found():
    labels = sound_labels(30)
    labels[7, [3, 7, 11]] *= 50 / 2.7
    with pytest.raises(LabelError, match=r"Camera label 7 is wrong: the camera is 50 units away") as caught:
        check_labels(labels)
    assert caught.value.indices == [7]
    assert caught.value.recipe is None


def test_a_focal_length_in_pixels_with_a_normalised_centre_asks_for_the_image_width():
    labels = sound_labels(5)
    intrinsics(labels)[:] = [[2183, 0, 0.5], [0, 2183, 0.5], [0, 0, 1]]
    labels[:, 16:] = [2183, 0, 0.5, 0, 2183, 0.5, 0, 0, 1]
    with pytest.raises(LabelError, match="divide it by the width"):
        check_labels(labels)


# What passes.


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.float32,
        list,
        np.ndarray.tolist,
        lambda labels: np.char.mod("%.6f", labels).tolist(),
        lambda labels: np.char.mod("%.6f", labels),
        torch.tensor,
        lambda labels: torch.tensor(labels).float().requires_grad_(),
    ],
    ids=[
        "float64",
        "float32",
        "list of arrays",
        "lists",
        "lists of strings",
        "strings",
        "tensor",
        "tensor with gradient",
    ],
)
def test_sound_labels_pass_in_every_form(convert):
    check_labels(convert(sound_labels(200)))


@pytest.mark.parametrize("labels", [np.zeros((0, 25)), torch.zeros(0, 25), []], ids=["array", "tensor", "list"])
def test_no_labels_are_sound_labels(labels):
    check_labels(labels)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.5, 10), st.floats(0.5, 30))
def test_any_upright_camera_that_looks_at_the_head_passes(seed, radius, focal):
    angles = sample_hv(100, h_std_rad=3.2, v_std_rad=1.2, kind="uniform", generator=torch.Generator().manual_seed(seed))
    check_labels(label_from_camera(camera_on_sphere(*angles, radius=radius, focal=focal)))


def test_cameras_that_aim_past_the_head_pass_unless_they_look_inverted():
    angles = torch.full((10,), math.pi / 2 + 1.0), torch.full((10,), math.pi / 2)
    check_labels(label_from_camera(camera_on_sphere(*angles, target=(-1.0, 1.0, 1.5))))


def test_frontal_cameras_that_aim_a_little_to_and_fro_pass():
    position = torch.tensor([0.0, 0.0, 2.7]).expand(20, 3)
    T_world_cam = look_at(position, torch.randn(20, 3, generator=torch.Generator().manual_seed(0)) * 0.05)
    check_labels(label_from_camera(Camera(T_world_cam, intrinsics_from_focal(4.0).expand(20, 3, 3))))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_labels_are_checked_in_full_precision(dtype):
    front = camera_on_sphere(torch.tensor([math.pi / 2]), torch.tensor([math.pi / 2]))
    check_labels(label_from_camera(front).to(dtype))


def test_every_frame_of_an_orbit_passes():
    check_labels(label_from_camera(camera_on_sphere(*full_turn(orbit_phases(240)))))


# What is wrong beyond conventions.


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_found(value):
    labels = sound_labels(40)
    labels[17, 9] = value
    with pytest.raises(LabelError, match=f"Camera label 17 is wrong: number 9 of it is {value}") as caught:
        check_labels(labels)
    assert caught.value.indices == [17]


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        (15, 0.0, "last row of its pose"),
        (0, 5.0, "not orthonormal"),
        (16, 0.0, "focal lengths"),
        (20, -4.0, "focal lengths"),
        (18, 1.2, "principal point"),
        (21, 0.0, "principal point"),
        (17, 3.0, "skew"),
        (24, 0.0, "do not have the form"),
        (19, 0.2, "do not have the form"),
    ],
)
def test_each_number_out_of_place_is_found_in_its_label(column, value, complaint):
    labels = sound_labels(40)
    labels[23, column] = value
    with pytest.raises(LabelError, match=f"Camera label 23 is wrong: .*{complaint}") as caught:
        check_labels(labels)
    assert caught.value.indices == [23]


def test_a_camera_in_the_middle_of_the_head_is_refused():
    labels = sound_labels(3)
    labels[:, [3, 7, 11]] = 0
    with pytest.raises(LabelError, match="sits at the origin"):
        check_labels(labels)


@pytest.mark.parametrize("shape", [(25,), (4, 16), (4, 5, 5)])
def test_an_array_of_another_shape_is_refused(shape):
    with pytest.raises(LabelError, match=r"\[n, 25\], not"):
        check_labels(np.zeros(shape))


@pytest.mark.parametrize("row", [[0.0] * 24, [], None, ["x"] * 25, 3.0, "0" * 25, [[0.0] * 25] * 25], ids=repr)
def test_a_row_that_is_no_label_is_found_in_a_list(row):
    rows = sound_labels(5).tolist()
    rows[3] = row
    with pytest.raises(LabelError, match=r"Camera label 3 is wrong: it is .*, not 25 numbers"):
        check_labels(rows)


def test_a_row_that_is_no_label_is_found_in_an_array_of_text():
    labels = np.char.mod("%.6f", sound_labels(5))
    labels[3, 7] = "left"
    with pytest.raises(LabelError, match=r"Camera label 3 is wrong: it is .*, not 25 numbers"):
        check_labels(labels)


def test_a_list_of_labels_that_all_have_another_length_is_refused():
    with pytest.raises(LabelError, match="3 of 3"):
        check_labels([[0.0] * 31] * 3)


@settings(max_examples=100)
@given(st.integers(0, 2**31), st.floats(-30, 37), st.sampled_from([np.float32, np.float64]))
def test_noise_is_refused_without_another_error_or_a_warning(seed, exponent, dtype):
    labels = (np.random.default_rng(seed).standard_normal((20, 25)) * 10**exponent).astype(dtype)
    with pytest.raises(LabelError, match="Camera label 0 "):
        check_labels(labels)


def test_checking_leaves_the_labels_alone():
    labels = with_poses(world_to_camera)(sound_labels(10))
    before = labels.copy()
    with pytest.raises(LabelError):
        check_labels(labels)
    assert np.array_equal(labels, before)


def test_a_million_labels_are_checked_in_a_second():
    labels = np.tile(sound_labels(1000).astype(np.float32), (1000, 1))
    check_labels(labels[:1000])
    start = time.process_time()
    check_labels(labels)
    assert time.process_time() - start < 2  # About 0.4 s; the rest is for busy machines.
