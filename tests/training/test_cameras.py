# SPDX-License-Identifier: Apache-2.0
"""Labels, angles, look-at, focal lengths, mirror and shift, against closed forms and published numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.camera_paths import camera_on_sphere
from training.camera_rays import project
from training.cameras import (
    HEAD_FOCAL,
    angles_from_hv,
    camera_from_label,
    focal_from_fov,
    fov_from_focal,
    hv_from_angles,
    intrinsics_from_focal,
    label_from_camera,
    look_at,
    mirror,
    position_from_hv,
    translate,
    view_angles,
)
from training.types import Camera

FRONT_LABEL = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1, 4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1]

azimuths = st.floats(-math.pi + 1e-3, math.pi - 1e-3)
elevations = st.floats(-1.5, 1.5)
rolls = st.floats(-3.1, 3.1)
coordinates = st.floats(-3, 3)
quick = settings(max_examples=60)


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def camera_from_angles(azimuth_rad: float, elevation_rad: float, roll_rad: float = 0.0, **kwargs) -> Camera:
    """A batch of one camera around the head, rolled about its own axis."""
    camera = camera_on_sphere(*hv_from_angles(double(azimuth_rad), double(elevation_rad)), **kwargs)
    c, s = math.cos(roll_rad), math.sin(roll_rad)
    roll = torch.tensor([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)
    return Camera(camera.T_world_cam @ roll, camera.intrinsics)


# Labels.


def test_the_front_label_is_the_published_one():
    camera = camera_on_sphere(torch.tensor(math.pi / 2), torch.tensor(math.pi / 2))
    torch.testing.assert_close(label_from_camera(camera), torch.tensor(FRONT_LABEL), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [(), (0,), (7,), (2, 3)])
def test_a_label_survives_the_round_trip_bit_by_bit(batch, dtype):
    labels = torch.randn(*batch, 25, dtype=dtype)
    camera = camera_from_label(labels)
    assert camera.batch_shape == batch
    assert torch.equal(label_from_camera(camera), labels)


def test_the_places_of_a_label_are_the_published_ones():
    camera = camera_from_label(torch.arange(25.0))
    assert camera.position.tolist() == [3, 7, 11]
    assert camera.right.tolist() == [0, 4, 8]
    assert camera.down.tolist() == [1, 5, 9]
    assert camera.forward.tolist() == [2, 6, 10]
    assert camera.intrinsics.tolist() == [[16, 17, 18], [19, 20, 21], [22, 23, 24]]


@pytest.mark.parametrize("length", [0, 16, 24, 31])
def test_a_label_of_another_length_is_refused_with_both_lengths(length):
    with pytest.raises(ValueError, match=rf"25 numbers.* have {length}"):
        camera_from_label(torch.zeros(2, length))


def test_a_pose_from_the_published_sampler_is_reproduced():
    T_world_cam = look_at(position_from_hv(torch.tensor(1.0), torch.tensor(1.2), 2.7), torch.tensor([0.0, 0.0, 0.2]))
    expected = torch.tensor(
        [
            [0.816902, -0.144781, 0.558310, -1.417590],
            [0, -0.967983, -0.251018, 0.637352],
            [0.576777, 0.205057, -0.790747, 2.207764],
            [0, 0, 0, 1],
        ]
    )
    torch.testing.assert_close(T_world_cam, expected, atol=1e-5, rtol=0)


# Angles.


@pytest.mark.parametrize(
    ("azimuth_rad", "place"),
    [(0.0, (0, 0, 1)), (math.pi / 2, (1, 0, 0)), (-math.pi / 2, (-1, 0, 0)), (math.pi, (0, 0, -1))],
)
def test_azimuth_runs_from_the_front_over_positive_x(azimuth_rad, place):
    position = position_from_hv(*hv_from_angles(double(azimuth_rad), double(0.0)), 1.0)
    torch.testing.assert_close(position, double(*place)[None], atol=1e-12, rtol=0)


@quick
@given(azimuths, elevations, rolls)
def test_angles_are_read_back_from_the_camera_they_made(azimuth_rad, elevation_rad, roll_rad):
    angles = view_angles(camera_from_angles(azimuth_rad, elevation_rad, roll_rad))
    torch.testing.assert_close(torch.cat(angles), double(azimuth_rad, elevation_rad, roll_rad), atol=1e-9, rtol=0)


@pytest.mark.parametrize("azimuth_deg", [45, 86.5, 88, 89.9, 90, 90.1, 93.5, 135, 179])
@pytest.mark.parametrize("elevation_deg", [0, 3.2, 19.5, -40])
def test_angles_stay_true_at_and_beyond_the_profile(azimuth_deg, elevation_deg):
    camera = camera_from_angles(math.radians(azimuth_deg), math.radians(elevation_deg)).to(torch.float32)
    azimuth_rad, elevation_rad, roll_rad = view_angles(camera)
    assert math.degrees(azimuth_rad.item()) == pytest.approx(azimuth_deg, abs=1e-3)
    assert math.degrees(elevation_rad.item()) == pytest.approx(elevation_deg, abs=1e-3)
    assert math.degrees(roll_rad.item()) == pytest.approx(0, abs=1e-3)


def test_angles_are_finite_where_a_rounded_forward_is_longer_than_one():
    T_world_cam = look_at(torch.tensor([0.0, 2.7, 0.0]), torch.zeros(3))
    T_world_cam[1, 2] = -1.0001
    angles = view_angles(Camera(T_world_cam, intrinsics_from_focal(1.0)))
    assert torch.isfinite(torch.stack(angles)).all()
    assert angles.elevation_rad.item() == pytest.approx(math.pi / 2)


@quick
@given(azimuths, elevations, rolls, st.tuples(coordinates, coordinates, coordinates))
def test_a_shift_moves_the_camera_and_keeps_its_angles(azimuth_rad, elevation_rad, roll_rad, shift):
    camera = camera_from_angles(azimuth_rad, elevation_rad, roll_rad)
    moved = translate(camera, double(*shift)[None])
    torch.testing.assert_close(moved.position, camera.position + double(*shift))
    assert torch.equal(moved.R_world_cam, camera.R_world_cam)
    assert torch.equal(torch.cat(view_angles(moved)), torch.cat(view_angles(camera)))
    assert moved.T_world_cam[0, 3].tolist() == [0, 0, 0, 1]


# (h, v) and look-at.


@quick
@given(st.floats(-10, 10), st.floats(1e-4, math.pi - 1e-4))
def test_hv_and_angles_are_each_others_inverse(h_rad, v_rad):
    h, v = double(h_rad), double(v_rad)
    back = hv_from_angles(*angles_from_hv(h, v))
    torch.testing.assert_close(torch.cat(back), torch.cat([h, v]), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("v_deg", "polar_deg"), [(30, 48.19), (60, 70.53), (90, 90)])
def test_v_is_the_published_equal_area_parameter(v_deg, polar_deg):
    _, elevation_rad = angles_from_hv(double(0.0), double(math.radians(v_deg)))
    assert 90 - math.degrees(elevation_rad.item()) == pytest.approx(polar_deg, abs=0.005)


@pytest.mark.parametrize("v_rad", [-1.0, 0.0, math.pi, 4.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_v_at_and_beyond_a_pole_still_gives_a_camera(v_rad, dtype):
    camera = camera_on_sphere(torch.tensor(0.3, dtype=dtype), torch.tensor(v_rad, dtype=dtype))
    assert_rotations(camera.R_world_cam)
    assert view_angles(camera).azimuth_rad.item() == pytest.approx(0.3 - math.pi / 2, abs=1e-3)  # It is upright yet.


@quick
@given(st.lists(coordinates, min_size=3, max_size=3), st.lists(coordinates, min_size=3, max_size=3))
def test_look_at_puts_the_target_into_the_middle_and_stays_upright(position, target):
    position, target = double(*position), double(*target)
    if (target - position).norm() < 1e-3:
        return
    T_world_cam = look_at(position, target)
    camera = Camera(T_world_cam, intrinsics_from_focal(1.0, dtype=torch.float64))
    assert_rotations(camera.R_world_cam)
    uv, depth = project(camera, target[None])
    torch.testing.assert_close(uv, double(0.5, 0.5)[None], atol=1e-9, rtol=0)
    torch.testing.assert_close(depth[0], (target - position).norm())
    assert camera.right[1].abs() < 1e-12  # The horizon is level,
    assert camera.down[1] <= 1e-12  # and the sky is above it.


@pytest.mark.parametrize("y", [2.7, -2.7])
def test_look_at_is_a_rotation_straight_up_and_down_with_finite_gradient(y):
    position = torch.tensor([0.0, y, 0.0], requires_grad=True)
    T_world_cam = look_at(position, torch.zeros(3))
    assert_rotations(T_world_cam[:3, :3])
    T_world_cam.square().sum().backward()
    assert torch.isfinite(position.grad).all()


def test_look_at_takes_one_target_for_many_positions():
    positions = torch.randn(4, 5, 3)
    T_world_cam = look_at(positions, torch.zeros(3))
    assert torch.equal(T_world_cam[2, 3], look_at(positions[2, 3], torch.zeros(3)))


@pytest.mark.parametrize("radius", [0.0, -1.0, math.nan])
def test_a_sphere_without_extent_is_refused(radius):
    with pytest.raises(ValueError, match=r"positive.*2\.7"):
        position_from_hv(torch.zeros(1), torch.ones(1), radius)


# Focal length.


def test_the_published_field_of_view_gives_the_focal_of_exact_constants():
    published = 1 / (math.tan(18.837 * 3.14159 / 360) * 1.414)  # Their roundings of pi and of the square root of 2.
    assert published == pytest.approx(4.2634, abs=5e-5)
    assert focal_from_fov(18.837) == pytest.approx(4.262743, abs=1e-6)
    assert focal_from_fov(18.837) == pytest.approx(published, rel=2e-4)


def test_the_horizontal_field_of_view_of_the_head_camera_is_the_published_one():
    assert fov_from_focal(HEAD_FOCAL, "horizontal") == pytest.approx(13.37, abs=5e-3)
    assert focal_from_fov(90.0, "horizontal") == pytest.approx(0.5)


@quick
@given(st.floats(0.1, 179), st.sampled_from(["diagonal", "horizontal"]))
def test_field_of_view_and_focal_are_each_others_inverse(fov_deg, kind):
    assert fov_from_focal(focal_from_fov(fov_deg, kind), kind) == pytest.approx(fov_deg)


@pytest.mark.parametrize("kind", ["diagonal", "horizontal"])
def test_a_ray_at_the_edge_of_the_field_of_view_meets_the_edge_of_the_image(kind):
    half_rad = math.radians(30) / 2
    x, y = (math.sin(half_rad), 0.0) if kind == "horizontal" else (math.sin(half_rad) / math.sqrt(2),) * 2
    intrinsics = intrinsics_from_focal(focal_from_fov(30.0, kind), dtype=torch.float64)
    uv, _ = project(Camera(torch.eye(4).double(), intrinsics), double(x, y, math.cos(half_rad))[None])
    torch.testing.assert_close(uv, double(1.0, 0.5 if kind == "horizontal" else 1.0)[None])


@pytest.mark.parametrize("fov_deg", [0.0, -5.0, 180.0, math.nan])
def test_an_impossible_field_of_view_is_refused(fov_deg):
    with pytest.raises(ValueError, match="between 0 and 180"):
        focal_from_fov(fov_deg)


def test_an_unknown_kind_of_field_of_view_is_refused():
    with pytest.raises((ValueError, TypeError), match="vertical"):
        focal_from_fov(30.0, "vertical")


# Mirror.


@quick
@given(azimuths, elevations, rolls)
def test_mirroring_turns_azimuth_and_roll_round_and_keeps_elevation(azimuth_rad, elevation_rad, roll_rad):
    angles = view_angles(mirror(camera_from_angles(azimuth_rad, elevation_rad, roll_rad)))
    torch.testing.assert_close(torch.cat(angles), double(-azimuth_rad, elevation_rad, -roll_rad), atol=1e-9, rtol=0)


def test_mirroring_a_centred_camera_negates_the_five_published_numbers_of_its_label():
    labels = label_from_camera(camera_from_angles(0.7, 0.3, 0.2))
    expected = labels.clone()
    expected[:, [1, 2, 3, 4, 8]] *= -1
    assert torch.equal(label_from_camera(mirror(camera_from_label(labels))), expected)


@quick
@given(azimuths, elevations, st.floats(0.01, 0.99), st.floats(-0.3, 0.3))
def test_mirroring_twice_is_the_identity_for_any_principal_point_and_skew(azimuth_rad, elevation_rad, cx, skew):
    camera = with_intrinsics(camera_from_angles(azimuth_rad, elevation_rad), cx, skew)
    labels = label_from_camera(camera)
    torch.testing.assert_close(label_from_camera(mirror(mirror(camera))), labels, atol=1e-15, rtol=0)


@quick
@given(azimuths, elevations, rolls, st.floats(0.01, 0.99), st.floats(-0.3, 0.3))
def test_the_mirrored_camera_sees_the_mirrored_world_as_the_mirrored_image(
    azimuth_rad, elevation_rad, roll_rad, cx, skew
):
    camera = with_intrinsics(camera_from_angles(azimuth_rad, elevation_rad, roll_rad), cx, skew)
    points = torch.rand(1, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5
    (uv, depth), (uv_mirrored, depth_mirrored) = (
        project(camera, points),
        project(mirror(camera), points * double(-1, 1, 1)),
    )
    torch.testing.assert_close(uv_mirrored, torch.stack([1 - uv[..., 0], uv[..., 1]], dim=-1))
    torch.testing.assert_close(depth_mirrored, depth)


def test_what_makes_cameras_leaves_its_input_alone():
    labels = torch.tensor([FRONT_LABEL])
    before = labels.clone()
    mirror(camera_from_label(labels))
    translate(camera_from_label(labels), torch.ones(1, 3))
    assert torch.equal(labels, before)


def with_intrinsics(camera: Camera, cx: float, skew: float) -> Camera:
    intrinsics = torch.tensor([[4.0, skew, cx], [0.0, 4.2, 0.45], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return Camera(camera.T_world_cam, intrinsics.expand(camera.intrinsics.shape))


def assert_rotations(R: torch.Tensor) -> None:
    """Orthonormal to rounding, determinant +1."""
    tolerance = 1e-12 if R.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(R.mT @ R, torch.eye(3, dtype=R.dtype).expand(R.shape), atol=tolerance, rtol=0)
    assert (torch.linalg.det(R.double()) > 0).all()
