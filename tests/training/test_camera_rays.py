# SPDX-License-Identifier: Apache-2.0
"""Rays against published numbers, against their inverse, and through the inverse intrinsics matrix."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.camera_paths import camera_on_sphere, sample_hv
from training.camera_rays import pixel_centres, project, rays
from training.cameras import mirror, translate
from training.types import Camera

quick = settings(max_examples=40)
seeds = st.integers(0, 2**31)


def random_cameras(num: int, seed: int, dtype: torch.dtype = torch.float64) -> Camera:
    """All around the head, with different focal lengths, skew, and a principal point off the middle."""
    generator = torch.Generator().manual_seed(seed)
    angles = sample_hv(num, h_std_rad=math.pi, v_std_rad=1.2, kind="uniform", generator=generator, dtype=dtype)
    fx, fy, skew, cx, cy = torch.rand(5, num, generator=generator, dtype=dtype)
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    rows = [0.5 + 4 * fx, skew - 0.5, 0.2 + 0.6 * cx, zero, 0.5 + 4 * fy, 0.2 + 0.6 * cy, zero, zero, one]
    target = (0.1, -0.2, 0.15)
    return Camera(camera_on_sphere(*angles, target=target).T_world_cam, torch.stack(rows, dim=-1).unflatten(-1, (3, 3)))


def test_a_published_ray_is_reproduced():
    camera = camera_on_sphere(torch.tensor(1.0), torch.tensor(1.2), target=(0.0, 0.0, 0.2))
    origins, directions = rays(camera, 4)
    torch.testing.assert_close(directions[1], torch.tensor([0.544762, -0.165194, -0.822159]), atol=1e-5, rtol=0)
    torch.testing.assert_close(origins[1], torch.tensor([-1.417590, 0.637352, 2.207764]), atol=1e-5, rtol=0)


def test_pixels_are_listed_row_by_row_at_their_centres():
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert pixel_centres(2).tolist() == expected


def test_a_frontal_camera_sees_the_subjects_left_and_top_where_the_image_has_its_right_and_top():
    half_pi = torch.tensor(math.pi / 2)
    _, directions = rays(camera_on_sphere(half_pi, half_pi), 8)
    top_right = directions.unflatten(0, (8, 8))[0, 7]
    assert top_right[0] > 0
    assert top_right[1] > 0
    assert top_right[2] < 0


@quick
@given(seeds, st.integers(1, 9))
def test_points_along_rays_project_to_pixel_centres(seed, resolution):
    cameras = random_cameras(3, seed)
    origins, directions = rays(cameras, resolution)
    distance = 0.1 + torch.rand(3, resolution**2, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    uv, depth = project(cameras, origins + distance * directions)
    torch.testing.assert_close(uv, pixel_centres(resolution, dtype=torch.float64).expand_as(uv), atol=1e-9, rtol=0)
    assert (depth > 0).all()
    assert (depth <= distance[..., 0] + 1e-12).all()


@quick
@given(seeds)
def test_directions_are_those_of_the_inverse_intrinsics_matrix_and_of_unit_length(seed):
    cameras = random_cameras(3, seed)
    _, directions = rays(cameras, 5)
    u, v = pixel_centres(5, dtype=torch.float64).unbind(-1)
    expected = cameras.R_world_cam @ torch.linalg.inv(cameras.intrinsics) @ torch.stack([u, v, torch.ones_like(u)])
    torch.testing.assert_close(directions, torch.nn.functional.normalize(expected.mT, dim=-1))
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(3, 25, dtype=torch.float64))


@quick
@given(seeds)
def test_rays_of_the_mirrored_camera_are_the_mirrored_rays(seed):
    cameras = random_cameras(3, seed)
    flip = torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    for mirrored, straight in zip(rays(mirror(cameras), 6), rays(cameras, 6), strict=True):
        expected = straight.unflatten(1, (6, 6)).flip(2).flatten(1, 2) * flip
        torch.testing.assert_close(mirrored, expected, atol=1e-12, rtol=0)


def test_single_precision_moves_no_ray_by_a_hundredth_of_a_pixel():
    cameras = random_cameras(50, 0)
    origins, directions = rays(cameras.to(torch.float32), 128)
    assert origins.dtype == directions.dtype == torch.float32
    uv, _ = project(cameras, cameras.position[:, None] + directions.double())
    assert (uv - pixel_centres(128, dtype=torch.float64)).abs().max() < 0.01 / 128


@pytest.mark.parametrize("batch", [(), (0,), (2,), (2, 3)])
def test_rays_keep_every_batch_axis(batch):
    angles = torch.full(batch, 1.4)
    origins, directions = rays(camera_on_sphere(angles, angles), 4)
    assert origins.shape == directions.shape == (*batch, 16, 3)


def test_gradients_reach_every_part_of_the_camera_and_the_shift():
    cameras = random_cameras(2, 0)
    T_world_cam, intrinsics = cameras.T_world_cam.clone(), cameras.intrinsics.clone()
    shift = torch.zeros(2, 3, dtype=torch.float64)

    def points(T_world_cam, intrinsics, shift):
        origins, directions = rays(translate(Camera(T_world_cam, intrinsics), shift), 2)
        return origins + 2.5 * directions

    inputs = tuple(tensor.requires_grad_() for tensor in (T_world_cam, intrinsics, shift))
    assert torch.autograd.gradcheck(points, inputs)
    (gradient,) = torch.autograd.grad(points(*inputs).sum(), shift)
    assert gradient.tolist() == [[4, 4, 4]] * 2  # Every one of the four points moves along.


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(ValueError, match="1 x 1"):
        rays(random_cameras(1, 0), 0)


def test_no_value_is_looked_at_on_the_way_from_angles_to_rays():
    angles = torch.zeros(2, device="meta")  # A tensor without values: to look at one is an error, on a GPU a wait.
    camera = translate(mirror(camera_on_sphere(angles, angles)), torch.zeros(2, 3, device="meta"))
    uv, _ = project(camera, rays(camera, 4)[1])
    assert uv.device.type == "meta"
    assert uv.shape == (2, 16, 2)
