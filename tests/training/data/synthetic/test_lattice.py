# SPDX-License-Identifier: Apache-2.0
"""The lattice of samples: its rays against those of the pixels, and its filter against sums written out."""

import torch

from training import camera_rays, cameras
from training.data.synthetic import lattice
from training.types import Camera


def skewed_camera():
    position = torch.tensor([0.9, 0.4, -2.5])
    K = torch.tensor([[4.1, 0.03, 0.52], [0, 4.3, 0.47], [0, 0, 1]])
    return Camera(cameras.look_at(position, torch.tensor([0.02, 0.03, 0])), K)


def test_every_pixel_centre_is_a_sample():
    camera, resolution = skewed_camera(), 9
    origin, directions, cosines = lattice.lattice_rays(camera, resolution)
    size = lattice.lattice_size(resolution)
    at_centres = directions.unflatten(0, (size, size))[1::2, 1::2].flatten(0, 1)
    origins, expected = camera_rays.rays(camera, resolution)
    torch.testing.assert_close(at_centres, expected, atol=2e-7, rtol=0)
    torch.testing.assert_close(origin, origins[0])
    torch.testing.assert_close(cosines, directions @ camera.forward, atol=2e-7, rtol=0)


def test_samples_lie_half_a_pixel_apart_from_edge_to_edge():
    camera, resolution = skewed_camera(), 6
    origin, directions, _ = lattice.lattice_rays(camera, resolution)
    uv, _ = camera_rays.project(camera, origin + 2 * directions)
    steps = torch.arange(13) / 12
    expected = torch.stack(torch.meshgrid(steps, steps, indexing="ij")[::-1], dim=-1).flatten(0, 1)
    torch.testing.assert_close(uv, expected, atol=2e-6, rtol=0)


def test_tiles_list_every_sample_once_and_neighbours_together():
    size = 21
    order = lattice.tile_order(size)
    assert order.sort().values.tolist() == list(range(size * size))
    places = torch.stack([order // size, order % size], dim=-1)
    tiles = places[: 2 * lattice.TILE**2].unflatten(0, (2, -1))
    assert (tiles.amax(1) - tiles.amin(1)).tolist() == [[lattice.TILE - 1] * 2] * 2


def test_a_pixel_is_the_weighted_mean_of_its_nine_samples():
    samples = torch.rand(9, 9, 2)
    weights = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
    expected = torch.stack(
        [
            torch.stack([(samples[i : i + 3, j : j + 3] * weights[..., None]).sum((0, 1)) for j in range(0, 8, 2)])
            for i in range(0, 8, 2)
        ]
    )
    torch.testing.assert_close(lattice.filter_lattice(samples), expected)


def test_depth_is_of_the_centre_or_else_of_the_nearest_and_is_there_where_there_is_coverage():
    torch.manual_seed(0)
    is_hit = torch.rand(41, 41) < 0.25
    z_depth = torch.where(is_hit, 2 + torch.rand(41, 41), torch.inf)
    mask, depth = lattice.coverage(is_hit), lattice.pixel_depth(z_depth)
    assert torch.equal(mask > 0, depth.isfinite())
    assert mask[mask > 0].min() >= 1 / 16
    for i in range(20):
        for j in range(20):
            nine = z_depth[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            assert depth[i, j] == (nine[1, 1] if is_hit[2 * i + 1, 2 * j + 1] else nine.min())
