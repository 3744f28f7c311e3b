# SPDX-License-Identifier: Apache-2.0
"""importance_depths and merge_depths: against one ray at a time in plain Python, published numbers, and properties."""

import bisect
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
PAIRINGS = ("exact", "shifted")


def smoothed(weights):
    """Neighbour maximum, neighbour mean, and a floor. One ray, a list."""
    largest = [max(weights[max(k - 1, 0) : k + 1]) for k in range(len(weights) + 1)]
    return [(a + b) / 2 + 0.01 for a, b in itertools.pairwise(largest)]


def drawn_by_loops(depths, weights, u, pairing):
    """One ray: lists."""
    density, knots = smoothed(weights), depths
    if pairing == "shifted":
        density = density[1:-1]
        knots = [(a + b) / 2 for a, b in itertools.pairwise(depths)][:-1]
    density = [d + 1e-5 for d in density]
    cdf = [0.0, *itertools.accumulate(d / sum(density) for d in density)]
    draws = []
    for value in u:
        above = bisect.bisect_right(cdf, value)
        low, high = max(above - 1, 0), min(above, len(cdf) - 1)
        width = cdf[high] - cdf[low]
        draws.append(knots[low] + (value - cdf[low]) / (width if width >= 1e-5 else 1) * (knots[high] - knots[low]))
    return draws


@st.composite
def rays(draw, most=30):
    batch = draw(st.lists(st.integers(1, 4), max_size=2))
    samples, draws, seed = draw(st.integers(4, most)), draw(st.integers(1, most)), draw(st.integers(0, 999))
    depths = op_cases.uniform(seed, *batch, samples).sort(-1).values * 3 + 1
    weights = op_cases.uniform(seed + 1, *batch, samples - 1) ** draw(st.integers(0, 9))
    return depths, weights, op_cases.uniform(seed + 2, *batch, draws)


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=50)
@given(ray=rays())
def test_draws_are_those_of_one_ray_after_the_other(path, pairing, ray):
    depths, weights, u = ray
    with ops.forced(path):
        draws = ops.importance_depths(depths, weights, u, pairing)
    assert draws.shape == u.shape
    rows = zip(*(x.reshape(-1, x.shape[-1]).tolist() for x in ray), strict=True)
    expected = torch.tensor([drawn_by_loops(*row, pairing) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(draws, expected.reshape(draws.shape), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers_are_those_of_the_shifted_pairing(path):
    weights = torch.tensor([0, 0.1, 0.5, 0.2, 0.05, 0, 0.01])
    with ops.forced(path):
        draws = ops.importance_depths(torch.linspace(2.25, 3.3, 8), weights, ops.mid_cell(6), "shifted")
    expected = torch.tensor([2.379637, 2.483456, 2.549879, 2.616302, 2.706776, 2.843994])
    torch.testing.assert_close(draws, expected, atol=2e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("case", op_cases.importance_cases(), ids=str)
def test_native_equals_the_reference_in_float64(case, dtype):
    if case.name == "merge" and dtype == torch.float32:
        dtype = torch.float64  # the order of depths that rounding makes equal is another
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


def test_mid_cell_divides_the_unit_interval_evenly():
    assert ops.mid_cell(4).tolist() == [0.125, 0.375, 0.625, 0.875]
    assert ops.mid_cell(3, dtype=torch.float64).dtype == torch.float64


# --- Properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(ray=rays())
def test_draws_ascend_with_u_and_stay_on_the_ray(path, pairing, ray):
    depths, weights, u = (x.float() for x in ray)
    with ops.forced(path):
        draws = ops.importance_depths(depths, weights, u.sort(-1).values, pairing)
    assert (draws.diff(dim=-1) >= -1e-5).all()
    assert (draws >= depths[..., :1] - 1e-5).all()
    assert (draws <= depths[..., -1:] + 1e-5).all()


@pytest.mark.parametrize("path", PATHS)
def test_the_exact_pairing_draws_from_the_smoothed_weights(path):
    depths = op_cases.uniform(0, 9).sort().values
    weights = torch.tensor([0, 0.3, 0, 0, 0.02, 0.6, 0, 0]).double()
    with ops.forced(path):
        draws = ops.importance_depths(depths, weights, ops.mid_cell(100_000, dtype=torch.float64))
    share = torch.histogram(draws, depths).hist / 100_000
    density = torch.tensor(smoothed(weights.tolist())).double() + 1e-5
    torch.testing.assert_close(share, density / density.sum(), atol=3e-5, rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_the_shifted_pairing_looks_half_a_step_too_near(path):
    depths, weights = torch.linspace(0, 10, 11).double(), torch.zeros(10).double()
    weights[5] = 100.0  # from 5 to 6
    u = ops.mid_cell(10_000, dtype=torch.float64)
    with ops.forced(path):
        exact, shifted = (ops.importance_depths(depths, weights, u, pairing).median() for pairing in PAIRINGS)
    torch.testing.assert_close(exact.item(), 5.5, atol=2e-3, rtol=0)
    torch.testing.assert_close(shifted.item(), 5.0, atol=2e-3, rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_without_weights_the_draws_are_spread_evenly(path):
    u = ops.mid_cell(20, dtype=torch.float64)
    with ops.forced(path):
        draws = ops.importance_depths(torch.linspace(2, 4, 6).double(), torch.zeros(5).double(), u)
    torch.testing.assert_close(draws, 2 + 2 * u)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_all_weight_in_one_interval_leaves_the_others_a_chance_and_nothing_undefined(pairing, path):
    depths = torch.linspace(1, 2, 9).double()
    ends = torch.tensor(
        [1e-12, 1e-9, 3e-7, 1 - 3e-7, 1 - 1e-9], dtype=torch.float64
    )  # in bins too narrow to be divided by
    u = torch.cat([ops.mid_cell(500, dtype=torch.float64), ends])
    for k, weight in itertools.product(range(8), (1.0, 1e4, 1e8)):
        weights = torch.zeros(8).double()
        weights[k] = weight
        with ops.forced(path):
            draws = ops.importance_depths(depths, weights, u, pairing)
        expected = drawn_by_loops(depths.tolist(), weights.tolist(), u.tolist(), pairing)
        torch.testing.assert_close(draws, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("path", PATHS)
def test_one_u_serves_all_rays_alike(path):
    depths, weights = op_cases.uniform(1, 3, 4, 7).sort(-1).values, op_cases.uniform(2, 3, 4, 6)
    u = ops.mid_cell(5, dtype=torch.float64)
    with ops.forced(path):
        shared = ops.importance_depths(depths, weights, u)
        repeated = ops.importance_depths(depths, weights, u.expand(3, 4, 5))
        alone = ops.importance_depths(depths[1, 2], weights[1, 2], u)  # a single ray without any batch axis
    assert torch.equal(shared, repeated)
    torch.testing.assert_close(shared[1, 2], alone)


@pytest.mark.parametrize("path", PATHS)
def test_u_at_and_beyond_its_ends_stays_on_the_ray(path):
    u = torch.tensor([-1.0, 0.0, 1.0 - 6e-8, 1.0, 2.0])
    with ops.forced(path):
        draws = ops.importance_depths(torch.linspace(1, 2, 6), torch.rand(5), u)
    torch.testing.assert_close(draws, torch.tensor([1.0, 1.0, 2.0, 2.0, 2.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_undefined_input_is_survived(bad):
    """Nothing is read beyond the ray, and other rays are as they were."""
    depths, weights, u = torch.rand(3, 8).sort(-1).values, torch.rand(3, 7), torch.rand(3, 5)
    with ops.forced("native"):
        expected = ops.importance_depths(depths, weights, u)
        for spoiled in (depths, weights, u):
            good = spoiled[1, 2].item()
            spoiled[1, 2] = bad
            draws = ops.importance_depths(depths, weights, u)
            merged, _ = ops.merge_depths(depths, draws)
            spoiled[1, 2] = good
            assert torch.equal(draws[::2], expected[::2])
            assert merged.shape == (3, 13)


@pytest.mark.parametrize("path", PATHS)
def test_depths_carry_no_gradient(path):
    depths, weights = torch.linspace(1, 2, 5, requires_grad=True), torch.rand(4, requires_grad=True)
    with ops.forced(path):
        draws = ops.importance_depths(depths, weights, ops.mid_cell(3))
        merged, _ = ops.merge_depths(depths, draws)
    assert not draws.requires_grad
    assert not merged.requires_grad


# --- Merging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(
    batch=st.lists(st.integers(0, 4), max_size=2),
    first=st.integers(0, 20),
    second=st.integers(0, 20),
    levels=st.integers(1, 30),
)
def test_merging_is_a_stable_sort(path, batch, first, second, levels):
    a = (op_cases.uniform(3, *batch, first) * levels).floor().sort(-1).values  # few levels: many equal depths
    b = (op_cases.uniform(4, *batch, second) * levels).floor().sort(-1).values
    with ops.forced(path):
        depths, order = ops.merge_depths(a, b)
    both = torch.cat([a, b], dim=-1)
    assert order.dtype == torch.int64
    assert torch.equal(both.gather(-1, order), depths)
    rows = both.reshape(math.prod(batch), first + second).tolist()
    expected = [[i for _, i in sorted((value, i) for i, value in enumerate(row))] for row in rows]
    assert order.reshape(math.prod(batch), first + second).tolist() == expected


@pytest.mark.parametrize("path", PATHS)
def test_no_rays_and_no_draws_are_fine(path):
    with ops.forced(path):
        for batch, draws in [((0,), 3), ((2, 0), 3), ((2,), 0)]:
            depths = ops.importance_depths(torch.ones(*batch, 5), torch.ones(*batch, 4), ops.mid_cell(draws))
            assert depths.shape == (*batch, draws)
            merged, order = ops.merge_depths(torch.ones(*batch, 5), depths)
            assert merged.shape == order.shape == (*batch, 5 + draws)


# --- Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"depths": torch.tensor(1.0)}, r"depths must be \[..., S\] and weights \[..., S - 1\], got \[\] and \[2, 4\]"),
        ({"weights": torch.zeros(2, 5)}, r"weights \[..., S - 1\], got \[2, 5\] and \[2, 5\]"),
        ({"weights": torch.zeros(4)}, r"got \[2, 5\] and \[4\]"),
        ({"u": torch.zeros(3, 4)}, r"u must be \[K\] or \[2, K\], got \[3, 4\]"),
        (
            {"depths": torch.zeros(5), "weights": torch.zeros(4), "u": torch.zeros(3, 4)},
            r"\[K\] or \[K\], got \[3, 4\]",
        ),
        ({"pairing": "half"}, "unknown pairing 'half'; choose one of exact, shifted"),
        (
            {"depths": torch.zeros(2, 3), "weights": torch.zeros(2, 2), "pairing": "shifted"},
            "at least 4 samples .* got 3",
        ),
        ({"depths": torch.zeros(2, 1), "weights": torch.zeros(2, 0)}, "at least 2 samples a ray, got 1"),
        ({"depths": torch.zeros(2, 5).half()}, "depths must be float32 or float64, got torch.float16"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_mistakes_are_named(arguments, complaint, path):
    defaults = {"depths": torch.zeros(2, 5), "weights": torch.zeros(2, 4), "u": torch.zeros(3)}
    with ops.forced(path), pytest.raises(ValueError, match=complaint):
        ops.importance_depths(**{**defaults, **arguments})


@pytest.mark.parametrize("path", PATHS)
def test_mistakes_in_merging_are_named(path):
    with ops.forced(path):
        with pytest.raises(ValueError, match=r"rays differ, got \[2, 3\] and \[4, 3\]"):
            ops.merge_depths(torch.zeros(2, 3), torch.zeros(4, 3))
        with pytest.raises(ValueError, match=r"float32 or float64, got torch\.bfloat16"):
            ops.merge_depths(torch.zeros(2, 3).bfloat16(), torch.zeros(2, 3))


def test_kernels_refuse_rays_that_they_would_read_beyond():
    with pytest.raises(RuntimeError, match="bad arguments"):
        torch.ops.fullhead.merge_depths(torch.zeros(4, 3), torch.zeros(2, 3))
    with pytest.raises(RuntimeError, match="rays differ"):
        torch.ops.fullhead.importance_depths(torch.zeros(4, 3), torch.zeros(2, 2), torch.zeros(4, 5), False)
