# SPDX-License-Identifier: Apache-2.0
"""Rays against balls whose crossing is a formula, light against its geometry, and both paths against each other."""

import math

import pytest
import torch

from tests.torch_utils.ops.solids import random_solid
from torch_utils import ops
from torch_utils.ops import toolchain
from torch_utils.ops.distance_field import distance
from training import camera_rays, cameras
from training.data.synthetic import lattice
from training.data.synthetic.solid import Solid, box, capsule, ellipsoid, half_space, sphere, torus_arc
from training.data.synthetic.tracing import ambient_occlusion, march_pace, normals, soft_shadow, trace
from training.types import Camera

PATHS = ("native", "reference")


@pytest.fixture
def native_kernels():
    if not toolchain.find().can_build:
        pytest.skip("The native kernels cannot be built here.")


def camera_at(azimuth_rad, elevation_rad=0.1, radius=2.7, focal=cameras.HEAD_FOCAL):
    position = cameras.position_from_hv(*cameras.hv_from_angles(*torch.tensor([azimuth_rad, elevation_rad])), radius)
    return Camera(cameras.look_at(position, torch.zeros(3)), cameras.intrinsics_from_focal(focal))


def toy():
    """A small solid with a waved layer, thin rims and holes."""
    solid = Solid()
    solid.layer("head").add(ellipsoid((0, 0.02, 0), (0.15, 0.2, 0.17))).add(sphere((0, 0, 0.17), 0.03), 0.03)
    solid.layer("hair").add(ellipsoid((0, 0.08, -0.02), (0.17, 0.17, 0.18))).cut(
        half_space((0, 0.05, 0.08), (0, 0.7, -0.7)), 0.02
    ).waves(0.003, (90, 40, 90))
    solid.layer("rims").add(torus_arc((0.07, 0.03, 0.18), 0.045, 0.004, mirrored=True))
    solid.layer("coat").add(capsule((-0.2, -0.33, 0), (0.2, -0.33, 0), 0.1)).cut(sphere((0, -0.25, 0.1), 0.06), 0.02)
    return solid.table()


def picture(table, camera, resolution=32):
    hits = trace(camera, resolution, table)
    n = normals(hits.points, table)
    light = torch.nn.functional.normalize(torch.tensor([0.5, 0.7, 0.6]), dim=0)
    shade = soft_shadow(hits.points, n, light, table) * (n @ light).clamp(min=0)
    grey = 0.4 * ambient_occlusion(hits.points, n, table) + 0.6 * shade
    return hits, lattice.filter_lattice(hits.on_lattice(grey[:, None], resolution, 0.5))[..., 0]


@pytest.mark.parametrize("path", PATHS)
def test_a_ball_is_seen_where_the_formula_says(path):
    centre, radius, resolution = torch.tensor([0.05, -0.03, 0.1]), 0.2, 24
    solid = Solid()
    solid.layer("wall", visible=False)
    solid.layer("ball").add(sphere(centre.tolist(), radius))
    camera = camera_at(0.8)
    with ops.forced(path):
        hits = trace(camera, resolution, solid.table())

    origin, directions, cosines = (x.double() for x in lattice.lattice_rays(camera, resolution))
    middle = directions @ (centre - origin)
    square = radius**2 - (centre - origin).square().sum() + middle**2
    t = middle - square.clamp(min=0).sqrt()
    clear = square.abs() > 1e-5  # where rounding does not decide
    seen = torch.zeros(len(t), dtype=torch.bool).index_fill_(0, hits.sample, True)
    assert torch.equal(seen[clear], (square > 0)[clear])
    sharp = clear[hits.sample]
    expected = (origin + t[:, None] * directions)[hits.sample]
    torch.testing.assert_close(hits.points[sharp].double(), expected[sharp], atol=1e-4, rtol=0)
    steep = (square > 0.01)[hits.sample]
    assert (hits.points - expected).norm(dim=1)[steep].max() < 1e-5
    torch.testing.assert_close(hits.z_depth[steep].double(), (t * cosines)[hits.sample][steep], atol=1e-5, rtol=0)
    assert (hits.layer == 1).all()


def test_hits_lie_on_the_surface_to_a_millionth_or_so():
    for seed in range(3):
        table = random_solid(seed).table()
        hits = trace(camera_at(seed * 1.3), 40, table)
        assert len(hits.sample) > 200
        assert distance(hits.points, table)[0].abs().max() < 1e-5


def test_nothing_nearer_is_passed_over():
    """Stepping finely along every ray that is said to be free, or up to its hit, meets no inside."""
    for seed in range(3):
        table = random_solid(seed).table()
        resolution, camera = 10, camera_at(2.0 * seed)
        hits = trace(camera, resolution, table)
        origin, directions, cosines = lattice.lattice_rays(camera, resolution)
        end = torch.full((len(directions),), 3.7).index_copy_(0, hits.sample, hits.z_depth / cosines[hits.sample])
        t = torch.linspace(1.7, 3.7, 2001)
        points = (origin + t[:, None] * directions[:, None]).flatten(0, 1)
        values = distance(points, table)[0].unflatten(0, (-1, len(t)))
        before = t < end[:, None] - 1e-4
        # Splinters thinner than the least step may be missed, a depth of half of it may not.
        assert values[before].min() > -5e-4
        assert (values[before] < 0).float().mean() < 1e-4


def test_points_project_to_their_samples():
    camera, resolution = camera_at(-2.0, 0.4), 20
    hits = trace(camera, resolution, toy())
    uv, depth = camera_rays.project(camera, hits.points)
    size = lattice.lattice_size(resolution)
    expected = torch.stack([hits.sample % size, hits.sample // size], dim=-1) / (size - 1)
    torch.testing.assert_close(uv, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(depth, hits.z_depth, atol=1e-5, rtol=0)


@pytest.mark.parametrize("azimuth_rad", [0.3, 2.9])
def test_both_paths_give_the_same_picture(azimuth_rad, native_kernels):
    table, camera = toy(), camera_at(azimuth_rad)
    pictures = []
    for path in PATHS:
        with ops.forced(path):
            hits, grey = picture(table, camera)
        pictures.append((grey, lattice.coverage(hits.on_lattice(hits.z_depth, 32) > 0)))
    (grey, mask), (other_grey, other_mask) = pictures
    assert ((grey - other_grey).abs() > 1 / 255).float().mean() <= 0.001
    assert ((mask - other_mask).abs() > 1 / 255).float().mean() <= 0.001
    assert grey.std() > 0.05


def test_the_number_of_threads_changes_no_bit():
    table, camera = toy(), camera_at(0.5)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, grey = picture(table, camera, 64)
        torch.set_num_threads(2)
        other, other_grey = picture(table, camera, 64)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one.points, other.points)
    assert torch.equal(grey, other_grey)


def test_a_ray_sees_the_same_whatever_the_resolution():
    """Samples of a picture are among those of one with twice the pixels, in other tiles and after other steps."""
    table, camera = toy(), camera_at(0.7)
    hits = {resolution: trace(camera, resolution, table) for resolution in (20, 40)}
    first, second = (h.on_lattice(h.z_depth, resolution, math.inf) for resolution, h in hits.items())
    second = second[::2, ::2]
    both = first.isfinite() & second.isfinite()
    assert (first.isfinite() != second.isfinite()).float().mean() < 0.002
    assert ((first - second)[both].abs() > 1e-4).float().mean() < 0.002


def test_nothing_is_seen_of_nothing_and_beyond_reach():
    solid = Solid()
    solid.layer("empty")
    hits = trace(camera_at(0.0), 8, solid.table())
    assert len(hits.sample) == 0
    assert hits.points.shape == (0, 3)
    solid.layer("distant").add(sphere((0, 0, 3), 0.1)).add(sphere((0, 0, -3), 0.4))
    assert len(trace(camera_at(0.0, radius=1.5), 8, solid.table()).sample) == 0
    empty = normals(hits.points, solid.table())
    assert len(ambient_occlusion(hits.points, empty, solid.table())) == 0
    assert len(soft_shadow(hits.points, empty, torch.tensor([0.0, 1, 0]), solid.table())) == 0


def test_a_camera_inside_sees_from_where_it_is():
    solid = Solid()
    solid.layer("room").add(sphere((0, 0, 0), 5.0))
    hits = trace(camera_at(0.0, radius=0.5), 4, solid.table())
    assert len(hits.sample) == 81
    assert hits.z_depth.abs().max() == 0


def test_waves_slow_the_march_down():
    solid = Solid()
    layer = solid.layer("a").add(sphere((0, 0, 0), 0.2))
    assert march_pace(solid.table()) == 1
    layer.waves(0.01, (10, 50, 0))
    solid.layer("b").waves(0.001, (10, 0, 0))
    assert march_pace(solid.table()) == pytest.approx(1 / 1.5)


# --- Light ------------------------------------------------------------------------------------------------------------


def test_normals_of_a_ball_point_away_from_its_centre():
    solid = Solid()
    solid.layer("a").add(sphere((0.1, 0, 0), 0.2))
    outward = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    result = normals(torch.tensor([0.1, 0, 0]) + 0.2 * outward, solid.table())
    torch.testing.assert_close(result, outward, atol=4e-4, rtol=0)


def scene(*operands):
    solid = Solid()
    layer = solid.layer("floor").add(half_space((0, 0, 0), (0, 1, 0)))
    for operand in operands:
        layer.add(operand)
    return solid.table()


UP = torch.tensor([0.0, 1.0, 0.0])


def floor_points(count=400, size=0.5):
    x = torch.linspace(-size, size, count)
    return torch.stack([x, 0 * x, 0 * x], dim=-1), UP.expand(count, 3)


def test_a_plane_is_open_and_a_corner_is_not():
    points, up = floor_points()
    torch.testing.assert_close(ambient_occlusion(points, up, scene()), torch.ones(400), atol=1e-4, rtol=0)
    wall = scene(box((1.0, 0, 0), (0.8, 1, 1)))  # from x = 0.2 on
    openness = ambient_occlusion(points, up, wall)[points[:, 0] < 0.199]
    assert openness[0] == pytest.approx(1, abs=1e-4)
    assert (openness.diff() <= 1e-5).all()
    assert openness[-1] < 0.15


def test_a_ball_casts_a_shadow_with_soft_edges_where_the_light_says():
    points, up = floor_points()
    table = scene(sphere((0, 0.4, 0), 0.1))
    to_light = torch.nn.functional.normalize(torch.tensor([0.3, 1, 0.0]), dim=0)
    share = soft_shadow(points, up, to_light, table)
    middle = -0.4 * 0.3  # where the ray towards the light goes through the centre of the ball
    x = points[:, 0]
    assert (share[(x - middle).abs() < 0.02] < 0.02).all()
    assert (share[(x - middle).abs() > 0.25] > 0.98).all()
    dark = x[share < 0.5]
    assert (dark.min() + dark.max()) / 2 == pytest.approx(middle, abs=0.02)
    assert (dark.max() - dark.min()) / 2 == pytest.approx(0.1, abs=0.03)
    assert share.diff().abs().max() < 0.06


def test_half_of_a_light_is_left_close_to_a_wall_that_runs_towards_it():
    points = torch.tensor([[0.197, 0.0, 0.0]])  # So close that the steps along the wall are many.
    wall = scene(box((1.0, 0, 0), (0.8, 1, 1)))
    assert soft_shadow(points, UP[None], UP, wall).item() == pytest.approx(0.5, abs=0.15)


def test_a_wider_light_has_softer_shadows():
    points, up = floor_points()
    table = scene(sphere((0, 0.4, 0), 0.1))
    sharp, soft = (soft_shadow(points, up, UP, table, width) for width in (0.05, 0.3))
    assert sharp.diff().abs().max() > 2 * soft.diff().abs().max()


def test_light_from_below_reaches_nothing():
    points, up = floor_points()
    assert soft_shadow(points, up, -UP, scene()).max() == 0
    assert soft_shadow(points, up, UP, scene()).min() > 0.99
