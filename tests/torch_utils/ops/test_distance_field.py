# SPDX-License-Identifier: Apache-2.0
"""Distances of solids: against balls along a skeleton, the words of the contract, and both paths against each other."""

import itertools
import math
import random
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from tests.torch_utils.ops.solids import random_rotation, random_shape, random_solid
from torch_utils import ops
from torch_utils.ops.distance_field import FAR, NUM_COLUMNS, Kind, distance, layer_distances, reference
from training.data.synthetic.solid import (
    Solid,
    box,
    capsule,
    disc,
    ellipsoid,
    half_space,
    round_cone,
    sphere,
    torus_arc,
)

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")


def alone(*operands):
    solid = Solid()
    for operand in operands:
        solid.layer(f"layer {len(solid.layer_names)}").add(operand)
    return solid.table()


def cloud(seed, count, size=0.5):
    return ((op_cases.uniform(seed, count, 3) * 2 - 1) * size).float()


def values(points, table):
    return distance(points, table)[0]


# --- Shapes -----------------------------------------------------------------------------------------------------------
# Each is all balls whose centres lie on a skeleton: outside, the distance is the least one to a ball.

STEPS = torch.linspace(0, 1, 2001).double()


def along(a, b):
    a, b = torch.tensor(a).double(), torch.tensor(b).double()
    return a + STEPS[:, None] * (b - a)


def filled(half_sizes, steps=41):
    axes = [torch.linspace(-h, h, steps).double() for h in half_sizes]
    return torch.cartesian_prod(*axes)


A, B = (0.05, -0.1, 0.02), (-0.1, 0.12, 0.07)
ANGLES = (STEPS * 2 - 1) * 1.1
POLAR = torch.cartesian_prod(torch.linspace(0, 0.1, 40).double(), torch.linspace(-math.pi, math.pi, 200).double())
SKELETONS = {
    "sphere": (sphere(A, 0.1), torch.tensor([A]).double(), 0.1),
    "capsule": (capsule(A, B, 0.03), along(A, B), 0.03),
    "round cone": (round_cone(A, B, 0.03, 0.08), along(A, B), 0.03 + 0.05 * STEPS),
    "round cone, other way": (round_cone(A, B, 0.08, 0.03), along(A, B), 0.08 - 0.05 * STEPS),
    "one ball in the other": (round_cone(A, B, 0.4, 0.03), torch.tensor([A]).double(), 0.4),
    "rounded box": (box((0, 0, 0), (0.1, 0.2, 0.06), round=0.02), filled((0.08, 0.18, 0.04)), 0.02),
    "torus": (
        torus_arc((0, 0, 0), 0.15, 0.04),
        0.15 * torch.stack([torch.sin(ANGLES * 3), torch.cos(ANGLES * 3), 0 * ANGLES], -1),
        0.04,
    ),
    "torus arc": (
        torus_arc((0, 0, 0), 0.15, 0.04, 1.1),
        0.15 * torch.stack([torch.sin(ANGLES), torch.cos(ANGLES), 0 * ANGLES], -1),
        0.04,
    ),
    "long torus arc": (
        torus_arc((0, 0, 0), 0.15, 0.04, 2.2),
        0.15 * torch.stack([torch.sin(2 * ANGLES), torch.cos(2 * ANGLES), 0 * ANGLES], -1),
        0.04,
    ),
    "disc": (
        disc((0, 0, 0), 0.12, 0.02, round=0.02),
        torch.stack([POLAR[:, 0] * POLAR[:, 1].sin(), 0 * POLAR[:, 0], POLAR[:, 0] * POLAR[:, 1].cos()], -1),
        0.02,
    ),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SKELETONS)
def test_a_shape_is_the_balls_along_its_skeleton(name, path):
    shape, centres, radii = SKELETONS[name]
    points = cloud(0, 400)
    with ops.forced(path):
        result = values(points, alone(shape)).double()
    expected = (torch.cdist(points.double(), centres) - radii).amin(1)
    outside = expected > 0.01
    assert outside.sum() > 100
    # Balls at finite spacing are farther than the shape, by the square of the spacing.
    assert (expected - result)[outside].min() > -1e-6
    assert (expected - result)[outside].max() < 1e-3
    assert (result[expected < -1e-3] < 0).all()


def test_a_half_space_is_a_product_with_its_normal():
    points = cloud(1, 300)
    normal = torch.tensor([0.6, 0.0, -0.8])
    result = values(points, alone(half_space((0.1, 0.2, 0.3), (1.2, 0, -1.6))))
    torch.testing.assert_close(result, (points - torch.tensor([0.1, 0.2, 0.3])) @ normal)


@pytest.mark.parametrize("axis", [(0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0.6, 0, 0.8)])
def test_an_axis_may_point_anywhere(axis):
    table = alone(half_space((0, 0, 0), axis), capsule((0, 0, 0), axis, 0.1))
    tip = torch.tensor([axis]).float()
    half, rod = layer_distances(1.5 * tip, table)[0].tolist()
    assert half == pytest.approx(1.5)
    assert rod == pytest.approx(0.4)


@settings(max_examples=25)
@given(seed=st.integers(0, 999), flattest=st.floats(0.2, 1), middle=st.floats(0, 1))
def test_an_ellipsoid_is_exact_at_its_surface_and_a_bound_elsewhere(seed, flattest, middle):
    radii = (0.2, 0.2 * flattest, 0.2 * (flattest + middle * (1 - flattest)))
    table = alone(ellipsoid((0, 0, 0), radii)).double()
    directions = op_cases.normal(seed, 3000, 3)
    surface = directions / directions.norm(dim=1, keepdim=True) * torch.tensor(radii).double()
    at_surface = surface.clone().requires_grad_()
    value = reference(at_surface, table)[0]
    (slope,) = torch.autograd.grad(value.sum(), at_surface)
    assert value.abs().max() < 1e-7  # the radii in float32
    torch.testing.assert_close(slope.norm(dim=1), torch.ones(3000).double(), atol=1e-5, rtol=0)

    points = cloud(seed, 200).double().requires_grad_()
    value = reference(points, table)[0]
    is_inside = (points / torch.tensor(radii)).norm(dim=1) < 1
    assert torch.equal(value < 0, is_inside)
    nearest = torch.cdist(points, surface).amin(1)
    assert (value <= nearest + 1e-6)[~is_inside].all()
    (slope,) = torch.autograd.grad(value.sum(), points)
    assert (slope.norm(dim=1) <= table[1, 5] + 1e-9).all()


def test_rotations_and_centres_place_a_shape():
    rotation = random_rotation(random.Random(0))
    R, centre = torch.tensor(rotation), torch.tensor([0.1, -0.2, 0.05])
    points = cloud(2, 200)
    for make in (
        lambda c, R: ellipsoid(c, (0.2, 0.1, 0.15), R),
        lambda c, R: box(c, (0.2, 0.1, 0.15), R, 0.02),
        lambda c, R: torus_arc(c, 0.2, 0.05, 0.7, R),
        lambda c, R: disc(c, 0.2, 0.1, R),
    ):
        placed = values(points @ R.T + centre, alone(make(centre.tolist(), rotation)))
        torch.testing.assert_close(placed, values(points, alone(make((0, 0, 0), None))), atol=1e-6, rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_a_mirrored_shape_stands_on_both_sides(path):
    points = cloud(3, 300)
    shape = {"centre": (0.2, 0.05, 0), "radii": (0.08, 0.1, 0.05)}
    with ops.forced(path):
        pair = values(points, alone(ellipsoid(**shape, mirrored=True)))
        one = values(points * torch.tensor([-1.0, 1, 1]), alone(ellipsoid(**shape, mirrored=True)))
        single = values(points, alone(ellipsoid(**shape)))
    assert torch.equal(pair, one)
    on_the_right = points[:, 0] >= 0
    assert torch.equal(pair[on_the_right], single[on_the_right])


# --- Joins and changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("blend", [0.0, 0.07])
def test_joins_are_minimum_and_maximum_with_a_round_corner(path, blend):
    points = cloud(4, 2000)
    one, two = sphere((-0.1, 0, 0), 0.2), sphere((0.15, 0.05, 0), 0.18)
    with ops.forced(path):
        a, b = values(points, alone(one)), values(points, alone(two))
        for name, sharp, sign, distant in [
            ("add", torch.minimum(a, b), -1, (a - b).abs() >= blend),
            ("cut", torch.maximum(a, -b), 1, (a + b).abs() >= blend),
            ("keep", torch.maximum(a, b), 1, (a - b).abs() >= blend),
        ]:
            solid = Solid()
            getattr(solid.layer("a").add(one), name)(two, blend)
            joined = values(points, solid.table())
            assert torch.equal(joined[distant], sharp[distant])
            corner = sign * (joined - sharp)[~distant]
            assert (corner >= 0).all()
            assert corner.numel() == 0 or 0 < corner.max() <= blend / 4


def test_a_blend_has_no_kink():
    """The slope along a line that crosses from one shape to the other changes without a jump."""
    line = torch.linspace(-0.2, 0.2, 4001).double()[:, None] * torch.tensor([1.0, 0, 0]) + torch.tensor([0, 0.15, 0])
    table = alone(sphere((-0.1, 0, 0), 0.1))
    sharp, smooth = (
        Solid().layer("a").add(sphere((-0.1, 0, 0), 0.1)).add(sphere((0.1, 0, 0), 0.1), blend)._solid.table().double()
        for blend in (0.0, 0.05)
    )
    assert table.shape[1] == NUM_COLUMNS
    jumps = [reference(line, t)[0].diff().diff().abs().max() for t in (sharp, smooth)]
    assert jumps[1] < jumps[0] / 50


@pytest.mark.parametrize("path", PATHS)
def test_layers_inflate_and_become_shells(path):
    points = cloud(5, 500)
    with ops.forced(path):
        plain = values(points, alone(sphere((0, 0, 0), 0.2)))

        def changed(change):
            solid = Solid()
            change(solid.layer("a").add(sphere((0, 0, 0), 0.2)))
            return values(points, solid.table())

        torch.testing.assert_close(changed(lambda a: a.inflate(0.05)), plain - 0.05)
        shell = changed(lambda a: a.shell(0.03))
        is_in_shell = (plain < 0) & (plain > -0.03)
        assert torch.equal(shell < 0, is_in_shell)
        torch.testing.assert_close(shell[plain > 0], plain[plain > 0])
        waves = changed(lambda a: a.waves(0.01, (30, 0, 7), (0.1, math.pi / 2, 0)))
        expected = plain + 0.01 * torch.sin(30 * points[:, 0] + 0.1) * torch.sin(7 * points[:, 2])
        torch.testing.assert_close(waves, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_another_layer_joins_with_what_it_is_at_that_moment(path):
    solid = Solid()
    core = solid.layer("core", visible=False).add(sphere((0, 0, 0), 0.1))
    coat = solid.layer("coat").add(core.inflated(0.05))
    core.inflate(1.0)
    coat.cut(half_space((0, 0, 0), (0, -1, 0)))
    points = torch.tensor([[0, -0.3, 0], [0, 0.3, 0], [0.0, 0.05, 0]])
    with ops.forced(path):
        result, layer = distance(points, solid.table())
    torch.testing.assert_close(result, torch.tensor([0.15, 0.3, 0.05]))
    assert layer.tolist() == [1, 1, 1]


@pytest.mark.parametrize("path", PATHS)
def test_the_nearest_visible_layer_is_named_and_of_equal_ones_the_first(path):
    solid = Solid()
    solid.layer("empty")
    solid.layer("hidden", visible=False).add(sphere((0, 0, 0), 5.0))
    for x in (-0.2, 0.2, 0.2):
        solid.layer(f"ball {len(solid.rows)}").add(sphere((x, 0, 0), 0.1))
    with ops.forced(path):
        result, layer = distance(torch.tensor([[-0.2, 0, 0], [0.3, 0, 0], [0, 0, 0]]), solid.table())
    torch.testing.assert_close(result, torch.tensor([-0.1, 0.0, 0.1]), atol=1e-6, rtol=0)
    assert layer.dtype == torch.int32
    assert layer.tolist()[:2] == [2, 3]


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_layer_is_far_away_and_no_points_are_fine(path):
    solid = Solid()
    solid.layer("nothing").cut(sphere((0, 0, 0), 1.0)).keep(sphere((0, 0, 0), 1.0), 0.1)
    with ops.forced(path):
        assert values(torch.zeros(2, 3), solid.table()).tolist() == [FAR, FAR]
        result, layer = distance(torch.zeros(0, 3), solid.table())
    assert result.shape == layer.shape == (0,)


# --- Both paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", op_cases.distance_cases(), ids=str)
def test_native_equals_the_reference_in_float64(case):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, torch.float32, layout=layout)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), count=st.sampled_from([1, 63, 64, 65, 700]), spread=st.sampled_from([0.01, 0.1, 1]))
def test_native_equals_the_reference_wherever_points_are(seed, count, spread):
    table = random_solid(seed).table()
    points = cloud(seed, count, spread) + cloud(seed + 1, 1)
    result, layer = distance(points, table)
    with op_checks.one_thread():
        exact, _ = reference(points.double(), table.double())
        of_that_layer = layer_distances(points.double(), table.double()).gather(1, layer[:, None].long())[:, 0]
    assert (result - exact).abs().max() < 1e-6
    assert (of_that_layer - exact).abs().max() < 1e-6


def with_a_stray_in_every_block(points):
    """In a ball that holds a point so far away, no row can be left out."""
    strays = torch.full((len(points), 1, 3), 1e6)
    return torch.cat([points[:, None], strays], dim=1).flatten(0, 1)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([0.003, 0.03, 0.1]))
def test_what_is_left_out_changes_no_bit(seed, spread):
    table = random_solid(seed, num_shapes=60).table()
    centres = cloud(seed, 100)[:, None]
    points = (centres + cloud(seed + 1, 64, spread)).flatten(0, 1)  # a hundred blocks of neighbours
    result, layer = distance(points, table)
    everything, every_layer = (x[::2] for x in distance(with_a_stray_in_every_block(points), table))
    assert torch.equal(result, everything)
    assert torch.equal(layer, every_layer)


def test_leaving_out_is_still_right_far_from_the_origin():
    """Where rounding is coarse, so that a bound must not trust its last digits."""
    offset = torch.tensor([500.0, -300.0, 200.0])
    solid = Solid()
    layer = solid.layer("a")
    for x in range(30):
        layer.add(sphere((offset + torch.tensor([0.02 * x, 0, 0])).tolist(), 0.05), 0.05)
    points = (offset + cloud(6, 64 * 50, 0.3)).reshape(-1, 3)
    points = points[points[:, 0].argsort()]
    result = values(points, solid.table())
    assert torch.equal(result, values(with_a_stray_in_every_block(points), solid.table())[::2])


def test_neighbours_cost_less_than_strangers():
    """Or nothing would be left out at all."""
    table = random_solid(3, num_shapes=200).table()
    points = (cloud(7, 2000)[:, None] + cloud(8, 64, 0.003)).flatten(0, 1)

    def seconds(points):
        times = []
        for _ in range(5):
            start = time.process_time()
            distance(points, table)
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(points) < seconds(points[torch.randperm(len(points))]) / 1.5


def test_an_undefined_point_spoils_only_itself():
    table = random_solid(5).table()
    points = cloud(9, 64 * 3, 0.1)
    expected, layer = distance(points, table)
    for bad in (math.nan, math.inf, -math.inf):
        spoiled = points.clone()
        spoiled[70, 1] = bad
        result, other = distance(spoiled, table)
        good = torch.arange(len(points)) != 70
        assert torch.equal(result[good], expected[good])
        assert torch.equal(other[good], layer[good])


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads):
    table, points = random_solid(6).table(), cloud(10, 30_000)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = distance(points, table)
        torch.set_num_threads(threads)
        many = distance(points, table)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))


def test_the_least_of_the_visible_layers_is_the_distance():
    table, points = random_solid(7).table(), cloud(11, 500)
    every = layer_distances(points, table)
    visible = table[table[:, 0] == Kind.LAYER][:, 18] == 1
    torch.testing.assert_close(values(points, table), every[:, visible].amin(1), atol=1e-6, rtol=0)


# --- Mistakes and gradients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("points", "table", "complaint"),
    [
        (torch.zeros(3), torch.zeros(1, NUM_COLUMNS), r"points \[P, 3\].* got \[3\]"),
        (torch.zeros(2, 2), torch.zeros(1, NUM_COLUMNS), r"got \[2, 2\]"),
        (torch.zeros(2, 3), torch.zeros(1, 7), r"table \[rows, 25\], got \[2, 3\] and \[1, 7\]"),
        (torch.zeros(2, 3).half(), torch.zeros(1, NUM_COLUMNS).half(), "both be float32 or both be float64"),
        (torch.zeros(2, 3), torch.zeros(1, NUM_COLUMNS).double(), "float32 and torch.float64"),
    ],
)
def test_mistakes_are_named(points, table, complaint, path):
    with ops.forced(path), pytest.raises(ValueError, match=complaint):
        distance(points, table)


@pytest.mark.parametrize(("column", "value"), list(itertools.product([0, 1, 2], [-1.0, 99.0, math.nan])), ids=str)
def test_a_table_that_names_what_is_not_there_is_refused_by_both_paths(column, value):
    table = alone(sphere((0, 0, 0), 1.0), sphere((1, 0, 0), 1.0))
    table[1, column] = value
    with pytest.raises(RuntimeError, match="row 1 of the table is none"):
        torch.ops.fullhead.distance_field(torch.zeros(1, 3), table)
    with pytest.raises(ValueError, match="row 1 of the table is none"):
        reference(torch.zeros(1, 3), table)


def test_the_value_of_a_layer_that_is_not_there_and_a_layer_that_begins_twice_are_refused_by_both_paths():
    solid = Solid()
    layer = solid.layer("a")
    layer.add(layer.inflated(0.1))
    no_source, twice = solid.table(), solid.table()[[0, 0]]
    no_source[1, 18] = 1.0
    for table in (no_source, twice):
        with pytest.raises(RuntimeError, match="row 1"):
            torch.ops.fullhead.distance_field(torch.zeros(1, 3), table)
        with pytest.raises(ValueError, match="row 1"):
            reference(torch.zeros(1, 3), table)


def test_the_reference_has_gradients_and_the_kernel_says_that_it_has_none():
    table = random_solid(8).table()
    points = cloud(12, 20).requires_grad_()
    with ops.forced("reference"):
        (slope,) = torch.autograd.grad(values(points, table).sum(), points)
    assert slope.norm(dim=1).mean() > 0.3
    with ops.forced("native"), pytest.raises(NotImplementedError, match="FULLHEAD_OPS=reference"):
        values(points, table).sum().backward()


def test_random_shapes_of_the_tests_are_of_every_kind():
    rng = random.Random(0)
    kinds = {random_shape(rng).kind for _ in range(200)}
    assert kinds == {Kind.ELLIPSOID, Kind.ROUND_CONE, Kind.BOX, Kind.TORUS_ARC, Kind.DISC}
