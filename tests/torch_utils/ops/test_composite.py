# SPDX-License-Identifier: Apache-2.0
"""composite: against one ray at a time in plain Python, published numbers, gradients, and what compositing keeps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")


def composited_by_loops(features, densities, depths):
    """One ray: lists of S feature vectors, densities and depths."""
    samples, through, weights = len(depths), 1.0, []
    seen, depth_sum = [0.0] * len(features[0]), 0.0
    for k in range(samples - 1):
        density = math.log1p(math.exp((densities[k] + densities[k + 1]) / 2 - 1))
        alpha = 1 - math.exp(-density * (depths[k + 1] - depths[k]))
        weights.append(alpha * through)
        through *= 1 - alpha + 1e-10
        depth_sum += weights[-1] * (depths[k] + depths[k + 1]) / 2
        seen = [s + weights[-1] * (a + b) / 2 for s, a, b in zip(seen, features[k], features[k + 1], strict=True)]
    total = sum(weights)
    return seen, depth_sum / total if total > 0 else depths[-1], weights


def rays(samples=8, channels=3, count=20, seed=0):
    depths = op_cases.uniform(seed, count, samples).sort(-1).values * 2 + 1
    return op_cases.normal(seed + 1, count, samples, channels), 4 * op_cases.normal(seed + 2, count, samples), depths


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("samples", [1, 2, 3, 17])
def test_values_are_those_of_one_ray_after_the_other(samples, path):
    features, densities, depths = rays(samples)
    with ops.forced(path):
        result = ops.composite(features, densities, depths)
    expected = zip(*map(composited_by_loops, features.tolist(), densities.tolist(), depths.tolist()), strict=True)
    for ours, theirs in zip(result, expected, strict=True):
        torch.testing.assert_close(ours, torch.tensor(list(theirs), dtype=torch.float64))


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers(path):
    features = op_cases.sines(1, 1, 6, 2, start=0.4).float()
    densities = 5 * op_cases.sines(1, 1, 6, start=0.8).float()
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, densities, torch.linspace(2.25, 3.3, 6).expand(1, 1, 6))
    close = {"atol": 2e-6, "rtol": 1e-5}
    torch.testing.assert_close(seen[0, 0], torch.tensor([0.670024, 0.697640]), **close)
    torch.testing.assert_close(depth[0, 0], torch.tensor(2.522843), **close)
    torch.testing.assert_close(weights[0, 0], torch.tensor([0.482788, 0.285461, 0.129090, 0.051243, 0.018991]), **close)


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.composite_cases(), ids=str)
def test_native_equals_the_reference_in_float64(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@settings(max_examples=60)
@given(
    batch=st.lists(st.integers(0, 5), max_size=3),
    samples=st.integers(1, 40),
    channels=st.integers(0, 40),
    scale=st.floats(0, 50),
    equal=st.booleans(),
)
def test_any_shape_gives_what_the_reference_gives(batch, samples, channels, scale, equal):
    features, densities = op_cases.normal(3, *batch, samples, channels), scale * op_cases.normal(4, *batch, samples)
    depths = op_cases.uniform(5, *batch, samples).sort(-1).values + 1
    if equal:
        depths = depths.mul(4).floor()  # many intervals of no length
    outcomes = []
    for path in PATHS:
        inputs = [x.clone().requires_grad_() for x in (features, densities, depths)]
        with ops.forced(path):
            result = ops.composite(*inputs)
        cotangents = [op_cases.normal(6 + i, *x.shape) for i, x in enumerate(result)]
        outcomes.append([*(x.detach() for x in result), *torch.autograd.grad(result, inputs, cotangents)])
    for fast, plain in zip(*outcomes, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-7, atol=1e-9)


# --- Gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", [c for c in op_cases.composite_cases() if c.tensors[0].numel() < 5000], ids=str)
def test_gradients_are_those_of_finite_differences(case, path):
    op_checks.check_gradients_numerically(case, path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("output", [0, 1, 2])
def test_each_output_alone_has_its_gradient(output, path):
    """A loss on the depth map or on the mask alone leaves the other cotangents undefined."""
    inputs = [x.clone().requires_grad_() for x in rays(5, 2, 3)]
    with ops.forced(path):
        assert torch.autograd.gradcheck(lambda *x: ops.composite(*x)[output], inputs)


def test_second_derivatives_of_native_are_refused():
    inputs = [x.clone().requires_grad_() for x in rays()]
    with ops.forced("native"):
        (gradient,) = torch.autograd.grad(ops.composite(*inputs)[0].sum(), inputs[1], create_graph=True)
        with pytest.raises(NotImplementedError, match="second derivatives of composite are not implemented"):
            gradient.square().sum().backward()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("density", [-1e4, -50.0, 50.0, 1e4, 1e8])
def test_gradients_of_empty_and_of_opaque_rays_are_finite(density, path):
    features, densities, depths = (x.float().requires_grad_() for x in rays())
    densities = torch.full_like(densities, density, requires_grad=True)
    with ops.forced(path):
        result = ops.composite(features, densities, depths)
        gradients = torch.autograd.grad(sum(x.sum() for x in result), [features, densities, depths])
    assert all(x.isfinite().all() for x in (*result, *gradients))


# --- Two passes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.composite_passes_cases(), ids=str)
def test_native_passes_equal_the_reference_in_float64(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("path", PATHS)
def test_two_passes_are_one_in_the_order_of_depths(path):
    features, densities, depths = rays(samples=11)
    shuffled = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    first, second = shuffled[:4].sort().values, shuffled[4:].sort().values
    passes = [x[:, part] for part in (first, second) for x in (features, densities, depths)]
    with ops.forced(path):
        for together, apart in zip(
            ops.composite(features, densities, depths), ops.composite_passes(*passes), strict=True
        ):
            assert torch.equal(together, apart)


@pytest.mark.parametrize("path", PATHS)
def test_a_pass_split_in_two_has_the_same_gradients(path):
    features, densities, depths = rays()
    cotangent = op_cases.normal(9, *features[:, 0].shape)

    def gradients(call, *inputs):
        leaves = [x.clone().requires_grad_() for x in inputs]
        return torch.autograd.grad(call(*leaves)[0], leaves, cotangent)

    with ops.forced(path):
        whole = gradients(lambda f, s: ops.composite(f, s, depths), features, densities)
        near, far = slice(None, 3), slice(3, None)
        parts = gradients(
            lambda fa, sa, fb, sb: ops.composite_passes(fb, sb, depths[:, far], fa, sa, depths[:, near]),
            features[:, near], densities[:, near], features[:, far], densities[:, far],
        )  # fmt: skip
    torch.testing.assert_close(torch.cat(parts[0::2], dim=1), whole[0])
    torch.testing.assert_close(torch.cat(parts[1::2], dim=1), whole[1])


def test_passes_that_do_not_belong_together_are_refused():
    features, densities, depths = rays()
    with pytest.raises(ValueError, match=r"of the same rays .* got \[\[20, 8, 3\]"):
        ops.composite_passes(features, densities, depths, features[:5], densities[:5], depths[:5])
    with pytest.raises(ValueError, match="features of one type and number"):
        ops.composite_passes(features, densities, depths, features[..., :2], densities, depths)


# --- Properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(scale=st.floats(-1e4, 1e4), samples=st.integers(2, 30), seed=st.integers(0, 99))
def test_weights_are_a_part_of_one_and_depths_lie_on_the_ray(path, scale, samples, seed):
    features, densities, depths = (x.float() for x in rays(samples, seed=seed))
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, scale * densities, depths)
    assert (weights >= 0).all()
    assert (weights.sum(-1) <= 1 + 1e-5).all()
    assert ((depth >= depths[:, 0] - 1e-5) & (depth <= depths[:, -1] + 1e-5)).all()
    assert (seen.abs() <= features.abs().amax(1) + 1e-5).all()


@pytest.mark.parametrize("path", PATHS)
def test_an_opaque_wall_is_seen_at_its_depth_and_hides_what_is_behind(path):
    depths = torch.linspace(1, 2, 11).expand(1, 11)
    densities = torch.full((1, 11), -1e3)
    densities[:, 5:] = 1e6
    features = torch.arange(11.0)[None, :, None].expand(1, 11, 2)
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, densities, depths)
    torch.testing.assert_close(depth, torch.tensor([1.45]))  # the middle of the interval where it begins
    torch.testing.assert_close(seen, torch.full((1, 2), 4.5))
    torch.testing.assert_close(weights[0], torch.eye(10)[4], atol=1e-6, rtol=0)


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_ray_shows_nothing_and_ends_at_its_last_sample(path):
    features, _, depths = (x.float() for x in rays())
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, torch.full(depths.shape, -1000.0), depths)
    assert not seen.any()
    assert not weights.any()
    assert torch.equal(depth, depths[:, -1])


@pytest.mark.parametrize("path", PATHS)
def test_a_homogeneous_medium_follows_beer_and_lambert(path):
    depths = torch.linspace(2, 5, 200, dtype=torch.float64)
    density = math.log(math.exp(0.8) - 1) + 1  # softplus(density - 1) = 0.8
    with ops.forced(path):
        _, _, weights = ops.composite(torch.zeros(200, 1).double(), torch.full_like(depths, density), depths)
    torch.testing.assert_close(1 - weights.sum().item(), math.exp(-0.8 * 3), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("path", PATHS)
def test_rays_do_not_know_each_other(path):
    features, densities, depths = rays(count=70)
    with ops.forced(path):
        together = ops.composite(features, densities, depths)
        apart = [ops.composite(*ray) for ray in zip(features, densities, depths, strict=True)]
        pieces = zip(features.split(13), densities.split(13), depths.split(13), strict=True)
        chunked = [ops.composite(*piece) for piece in pieces]
    for whole, parts, chunks in zip(together, zip(*apart, strict=True), zip(*chunked, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(chunks))
        torch.testing.assert_close(whole, torch.stack(parts), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("path", PATHS)
def test_moving_the_ray_moves_its_depth_and_nothing_else(path):
    features, densities, depths = rays()
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, densities, depths)
        seen_moved, depth_moved, weights_moved = ops.composite(features, densities, depths + 7)
    torch.testing.assert_close(depth_moved, depth + 7)
    torch.testing.assert_close(seen_moved, seen, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(weights_moved, weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("path", PATHS)
def test_splitting_an_interval_of_constant_density_changes_nothing(path):
    """Absorption adds up, so where the density is constant a further sample halves an interval and no more."""
    features = op_cases.normal(8, 5, 2)
    densities, depths = torch.full((5,), 2.5).double(), torch.tensor([1.0, 1.2, 1.7, 2.0, 2.4]).double()
    middle = features[1:3].mean(0, keepdim=True)
    finer = torch.cat([features[:2], middle, features[2:]])
    finer_depths = torch.cat([depths[:2], torch.tensor([1.45]).double(), depths[2:]])
    with ops.forced(path):
        _, _, weights = ops.composite(features, densities, depths)
        _, _, split = ops.composite(finer, torch.full((6,), 2.5).double(), finer_depths)
    merged = torch.cat([split[:1], split[1:3].sum(0, keepdim=True), split[3:]])
    torch.testing.assert_close(merged, weights, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("path", PATHS)
def test_samples_at_the_same_depth_weigh_nothing_between_them(path):
    features, densities, depths = rays()
    repeated = torch.repeat_interleave(depths, 2, dim=1)
    with ops.forced(path):
        _, depth, weights = ops.composite(features.repeat_interleave(2, 1), densities.repeat_interleave(2, 1), repeated)
        _, expected_depth, expected = ops.composite(features, densities, depths)
    assert not weights[:, ::2].any()
    torch.testing.assert_close(weights[:, 1::2], expected, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(depth, expected_depth)


def test_undefined_densities_are_not_taken_for_empty_space():
    """A field that has diverged must be seen to have."""
    features, densities, depths = (x.float() for x in rays(20))
    densities[3, 5] = math.nan
    for path in PATHS:
        with ops.forced(path):
            seen, depth, weights = ops.composite(features, densities, depths)
        undefined = torch.arange(20) == 3
        assert torch.equal(seen.isnan().all(-1), undefined), path
        assert torch.equal(depth.isnan(), undefined), path
        assert torch.equal(weights.isnan().any(-1), undefined), path


@pytest.mark.parametrize("path", PATHS)
def test_weights_and_depth_stay_precise_where_features_are_not(path):
    features, densities, depths = (x.bfloat16() for x in rays())
    with ops.forced(path):
        seen, depth, weights = ops.composite(features, densities, depths)
    assert [x.dtype for x in (seen, depth, weights)] == [torch.bfloat16, torch.float32, torch.float32]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"densities": torch.zeros(2, 4)}, r"got \[2, 5, 3\], \[2, 4\], \[2, 5\]"),
        ({"depths": torch.zeros(5)}, r"depths \[..., S\]; got \[2, 5, 3\], \[2, 5\], \[5\]"),
        ({"features": torch.zeros(5)}, r"features \[..., S, F\].* got \[5\]"),
        ({"features": torch.zeros(2, 5, 3, dtype=torch.int32)}, "features must be floating point, got torch.int32"),
        (
            {"features": torch.zeros(2, 0, 3), "densities": torch.zeros(2, 0), "depths": torch.zeros(2, 0)},
            "a ray needs at least one sample",
        ),
    ],
)
def test_mistakes_are_named(arguments, complaint):
    defaults = {"features": torch.zeros(2, 5, 3), "densities": torch.zeros(2, 5), "depths": torch.zeros(2, 5)}
    with pytest.raises(ValueError, match=complaint):
        ops.composite(**{**defaults, **arguments})
