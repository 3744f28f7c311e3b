# SPDX-License-Identifier: Apache-2.0
"""trigrid_decode: samples against hat functions, grid_sample and published numbers, layers against sums written out,
gradients, points that are hidden, and awkward ones.

`sampled` is the operator with layers that leave features as they are.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops
from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
AXES = {"xy_xz_yz": ["xyz", "xzy", "yzx"], "xy_xz_zx": ["xyz", "xzy", "zxy"]}


def sampled(planes, points, box_size, axes="xy_xz_yz", planar=False):
    layers = [x.to(torch.promote_types(planes.dtype, torch.float32)) for x in op_cases.pass_through(planes.shape[3])]
    return ops.trigrid_decode(planes, points, *layers, box_size, axes, planar)[1]


def features_innermost(planes, order="NHW3DF"):
    """The same planes in other memory: `order` names the axes from the outermost to the innermost."""
    to = ["N3DFHW".index(axis) for axis in order]
    return planes.permute(*to).contiguous().permute(*(to.index(i) for i in range(6)))


def sampled_by_hat_functions(planes, points, box_size, axes, planar):
    """A texel counts 1 - |distance| in texels along each axis, nothing beyond a distance of one."""
    _, _, depth, _, height, width = planes.shape
    total = 0
    for plane, order in enumerate(AXES[axes]):
        weights = []
        for axis, size in zip(order, (width, height, depth), strict=True):
            at = (points[..., "xyz".index(axis)] / box_size + 0.5) * size - 0.5
            weights.append((1 - (at[..., None] - torch.arange(size)).abs()).clamp(min=0))
        if planar:
            weights[2] = torch.ones_like(weights[2])
        total = total + torch.einsum("nmw,nmh,nmd,ndfhw->nmf", *weights, planes[:, plane])
    return total / 3


def only_plane(planes, plane):
    """Planes whose mean is this one alone."""
    alone = torch.zeros_like(planes)
    alone[:, plane] = 3 * planes[:, plane]
    return alone


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(("depth", "planar"), [(1, True), (1, False), (2, False), (3, False), (5, False)])
def test_values_are_those_of_hat_functions(depth, planar, axes, path):
    planes, points = op_cases.normal(0, 2, 3, depth, 4, 5, 7), 0.7 * op_cases.normal(1, 2, 50, 3)
    with ops.forced(path):
        values = sampled(planes, points, 1.4, axes, planar)
    torch.testing.assert_close(values, sampled_by_hat_functions(planes, points, 1.4, axes, planar))


@pytest.mark.parametrize("path", PATHS)
def test_one_plane_of_a_triplane_is_grid_sample_of_that_picture(path):
    planes, points = op_cases.normal(2, 1, 3, 1, 4, 6, 5), op_cases.normal(3, 1, 30, 3)
    for plane, axis in enumerate([(0, 1), (0, 2), (1, 2)]):
        grid = points[:, :, None, axis] / 1.5
        expected = F.grid_sample(planes[:, plane, 0], grid, align_corners=False)[..., 0].mT
        with ops.forced(path):
            torch.testing.assert_close(sampled(only_plane(planes, plane), points, 3.0, planar=True), expected)


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers(path):
    # Flat channels are feature-major there: feature * depth + slice.
    planes = op_cases.sines(1, 3, 12, 5, 5, start=0.3).reshape(1, 3, 4, 3, 5, 5).transpose(2, 3)
    points = torch.tensor([[[0.1, -0.2, 0.3], [0.45, 0.05, -0.4]]])
    with ops.forced(path):
        first = sampled(only_plane(planes, 0), points, 1.0)[0, 0]
        last = sampled(only_plane(planes, 2), points, 1.0)[0, 1]
    close = {"atol": 1e-6, "rtol": 1e-5}
    torch.testing.assert_close(first, torch.tensor([0.334113, -0.646530, 0.785234, -0.712958]).double(), **close)
    torch.testing.assert_close(last, torch.tensor([0.171738, -0.458206, 0.621560, -0.617911]).double(), **close)


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers_at_depth_one_are_sampled_in_three_dimensions(path):
    """A tri-grid of depth 1 fades with depth, by 1 - |q| / 2 = 0.7 at this point; a true tri-plane does not."""
    planes = op_cases.sines(1, 3, 4, 5, 5, start=0.3)[:, :, None]
    point = torch.tensor([[[0.1, -0.2, 0.3]]])
    published = torch.tensor([0.045786, -0.164468, 0.278140, -0.383337]).double()
    with ops.forced(path):
        faded = sampled(only_plane(planes, 0), point, 1.0)[0, 0]
        planar = sampled(only_plane(planes, 0), point, 1.0, planar=True)[0, 0]
    torch.testing.assert_close(faded, published, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(planar, published / 0.7, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.decode_cases(), ids=str)
def test_native_equals_the_reference_in_float64(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("order", ["NHW3DF", "N3DHWF", "NHWD3F", "3NWHDF"])
@pytest.mark.parametrize("features", [1, 5, 16, 32, 33])
def test_native_equals_the_reference_however_the_planes_lie(features, order, dtype):
    planes, points = op_cases.normal(4, 2, 3, 2, features, 4, 5), op_cases.normal(5, 2, 40, 3)
    case = op_cases.Case(
        order,
        lambda planes, *others: ops.trigrid_decode(features_innermost(planes, order), *others, 1.7),
        (planes, points, *op_cases.layers_of(features, 6, 4)),
        order=1,
        precise=(1, 2, 3, 4, 5),
    )
    op_checks.check_against_float64(case, dtype)


def test_the_gradient_of_dense_planes_lies_in_memory_as_they_do():
    points, layers = torch.randn(2, 9, 3), [x.float() for x in op_cases.layers_of(4, 5, 3)]
    for order in ("NHW3DF", "N3DHWF"):
        planes = features_innermost(torch.randn(2, 3, 2, 4, 3, 5), order).requires_grad_()
        with ops.forced("native"):
            (gradient,) = torch.autograd.grad(ops.trigrid_decode(planes, points, *layers, 2.0)[0].sum(), planes)
        assert gradient.stride() == planes.stride()


def test_more_points_than_a_block_takes_and_an_uneven_rest():
    planes, points = op_cases.normal(6, 3, 3, 3, 32, 8, 8), op_cases.normal(7, 3, 4113, 3)
    layers = op_cases.layers_of(32, 8, 5)
    case = op_cases.Case("many", lambda *x: ops.trigrid_decode(*x, 2.0), (planes, points, *layers), 1, (1, 2, 3, 4, 5))
    op_checks.check_against_float64(case, torch.float32)


@pytest.mark.slow
def test_more_points_than_a_chunk_takes():
    op_checks.check_against_float64(op_cases.decode_of_many_points(), torch.float64)


@settings(max_examples=60)
@given(
    shape=st.tuples(*[st.integers(0, 3)], st.just(3), *[st.integers(1, n) for n in (5, 40, 6, 6)]),
    num_points=st.integers(0, 40),
    axes=st.sampled_from(list(AXES)),
    box_size=st.floats(0.1, 10),
    permutation=st.permutations(range(6)),
    hides=st.booleans(),
)
def test_any_shape_and_any_strides_give_what_the_reference_gives(shape, num_points, axes, box_size, permutation, hides):
    planes = op_cases.normal(8, *(shape[a] for a in permutation)).float()
    planes = planes.permute(*(permutation.index(i) for i in range(6))).requires_grad_()
    points = (op_cases.normal(9, num_points, 3, shape[0]).float() * box_size / 2).permute(2, 0, 1).requires_grad_()
    layers = [x.float().requires_grad_() for x in op_cases.layers_of(shape[3], 6, 4)]
    seen = op_cases.uniform(11, num_points, shape[0]).T < 0.5 if hides else None
    outcomes = []
    for path in PATHS:
        with ops.forced(path):
            values = ops.trigrid_decode(planes, points, *layers, box_size, axes, shape[2] == 1, seen)
        cotangents = [op_cases.normal(10, *x.shape).float() for x in values]
        gradients = torch.autograd.grad(values, [planes, points, *layers], cotangents)
        outcomes.append((*(x.detach() for x in values), *gradients))
    for fast, plain, tolerance in zip(*outcomes, (*[2e-5] * 3, 1e-4, *[2e-5] * 4), strict=True):
        # A single point may lie where its only weight is small, a difference of coordinates that are rounded like one.
        op_checks.assert_close(fast, plain, tolerance, least_scale=0.05)


# --- Layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_layers_are_sums_written_out(path):
    features = [0.3, -1.2, 2.0]
    planes = torch.tensor(features, dtype=torch.float64).reshape(1, 1, 1, 3, 1, 1).expand(1, 3, 1, 3, 2, 2)
    w1, b1, w2, b2 = op_cases.layers_of(3, 7, 4)
    with ops.forced(path):
        density, colours = ops.trigrid_decode(planes, torch.zeros(1, 1, 3), w1, b1, w2, b2, 1.0, planar=True)

    def layer(weights, biases, x):
        rows = zip(weights.tolist(), biases.tolist(), strict=True)
        return [sum(w * v for w, v in zip(row, x, strict=True)) + bias for row, bias in rows]

    y = layer(w2, b2, [math.log1p(math.exp(z)) for z in layer(w1, b1, features)])
    assert [*density.flatten().tolist(), *colours.flatten().tolist()] == pytest.approx(y, rel=1e-12)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("output", [0, 1])
def test_each_output_alone_has_its_gradient(output, path):
    case = next(case for case in op_cases.decode_cases() if case.name == "seen-one")
    inputs = [x.clone().requires_grad_() for x in case.tensors]
    with ops.forced(path):
        assert torch.autograd.gradcheck(lambda *x: case.call(*x)[output], inputs, fast_mode=True)


@pytest.mark.parametrize("path", PATHS)
def test_only_what_is_asked_for_gets_a_gradient_and_the_same_one(path):
    tensors = op_cases.decode_cases()[2].tensors

    def gradients(wanted):
        inputs = [x.clone().requires_grad_(i in wanted) for i, x in enumerate(tensors)]
        density, colours = ops.trigrid_decode(*inputs, 1.6)
        (density.sum() + colours.square().sum()).backward()
        return {i: x.grad for i, x in enumerate(inputs)}

    with ops.forced(path):
        everything = gradients(range(6))
        for wanted in ((0,), (1,), (0, 1), (3,), (2, 3, 4, 5), (1, 5)):
            some = gradients(wanted)
            assert {i for i, g in some.items() if g is not None} == set(wanted)
            for i in wanted:
                torch.testing.assert_close(some[i], everything[i], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("path", PATHS)
def test_points_do_not_know_each_other(path):
    planes, points, *layers = op_cases.decode_cases()[2].tensors
    with ops.forced(path):
        whole = ops.trigrid_decode(planes, points, *layers, 1.6)
        pieces = [ops.trigrid_decode(planes, piece, *layers, 1.6) for piece in points.split(13, dim=1)]
    for together, *apart in zip(whole, *pieces, strict=True):
        torch.testing.assert_close(together, torch.cat(apart, dim=1), rtol=1e-13, atol=1e-13)


# --- Hidden points ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_hidden_points_are_empty_and_change_nothing_for_the_others(share, dtype, path):
    inputs = [x.requires_grad_() for x in op_checks.arguments(op_cases.decode_cases()[2], dtype)]
    seen = op_cases.uniform(1, 2, 37) < share
    with ops.forced(path):
        density, features = ops.trigrid_decode(*inputs, 1.6, seen=seen)
        everywhere = ops.trigrid_decode(*inputs, 1.6)
        gradients = torch.autograd.grad(density.sum() + features.sum(), inputs)
    assert density.dtype == features.dtype == inputs[1].dtype
    assert (density[~seen] == HIDDEN_DENSITY).all()
    assert not features[~seen].any()
    torch.testing.assert_close(density[seen], everywhere[0][seen])
    torch.testing.assert_close(features[seen], everywhere[1][seen])
    assert not gradients[1][~seen].any()
    assert share > 0 or not any(g.any() for g in gradients)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_undefined_at_hidden_points_reaches_nobody(path):
    planes, points, *layers = (x.float() for x in op_cases.decode_cases()[2].tensors)
    seen = op_cases.uniform(2, *points.shape[:2]) < 0.5
    points = torch.where(seen[..., None], points, math.nan)
    inputs = [x.requires_grad_() for x in (planes, points, *layers)]
    with ops.forced(path):
        values = ops.trigrid_decode(*inputs, 1.6, seen=seen)
        gradients = torch.autograd.grad(values, inputs, [torch.ones_like(x) for x in values])
    assert all(x.isfinite().all() for x in (*values, *gradients))
    assert not gradients[1][~seen].any()


# --- Gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", op_cases.decode_cases(), ids=str)
def test_gradients_are_those_of_finite_differences(case, path):
    op_checks.check_gradients_numerically(case, path)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_second_derivatives_of_native_are_refused(wanted):
    inputs = [x.clone().requires_grad_() for x in op_cases.decode_cases()[1].tensors]
    with ops.forced("native"):
        y = ops.trigrid_decode(*inputs, 4.0)[0].square().sum()
        (gradient,) = torch.autograd.grad(y, inputs[wanted], create_graph=True)
        with pytest.raises(NotImplementedError, match="second derivatives of trigrid_decode are not implemented"):
            gradient.square().sum().backward()


# --- Properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("depth", "planar"), [(1, True), (3, False), (4, False)])
def test_constant_planes_give_the_constant_between_the_outermost_texels(depth, planar, path):
    """The weights of the texels are a partition of unity there, and fade to one half at the faces of the box."""
    planes = torch.full((1, 3, depth, 2, 4, 4), 5.0)
    inside = (2 * torch.rand(1, 100, 3) - 1) * (1 - 1 / min(4, 4 if planar else depth))
    face = torch.tensor([[[1.0, 0, 0], [0, -1.0, 0]]])  # two of the three planes see x, and two see y
    with ops.forced(path):
        torch.testing.assert_close(sampled(planes, inside, 2.0, planar=planar), torch.full((1, 100, 2), 5.0))
        at_face = sampled(planes, face, 2.0, planar=planar)
    torch.testing.assert_close(at_face, torch.full((1, 2, 2), 5.0 * (1 + 2 * 0.5) / 3 if planar else 5.0 / 2))


@pytest.mark.parametrize("path", PATHS)
def test_texel_centres_give_the_texels(path):
    planes = op_cases.normal(11, 1, 3, 2, 3, 4, 5)
    for plane, order in enumerate(AXES["xy_xz_yz"]):
        d, h, w = torch.meshgrid(torch.arange(2), torch.arange(4), torch.arange(5), indexing="ij")
        q = {a: (2 * i.double() + 1) / n - 1 for a, i, n in zip(order, (w, h, d), (5, 4, 2), strict=True)}
        points = torch.stack([q["x"], q["y"], q["z"]], dim=-1).reshape(1, -1, 3)
        with ops.forced(path):
            values = sampled(only_plane(planes, plane), points * 1.5, 3.0)
        torch.testing.assert_close(values[0], planes[0, plane].transpose(0, 1).flatten(1).T)


@pytest.mark.parametrize("path", PATHS)
def test_the_axes_differ_in_the_third_plane_only(path):
    planes, points = op_cases.normal(12, 1, 3, 1, 2, 4, 4), op_cases.normal(13, 1, 40, 3) / 2
    with ops.forced(path):
        for plane, alike in [(0, True), (1, True), (2, False)]:
            ours, theirs = (sampled(only_plane(planes, plane), points, 2.0, axes, planar=True) for axes in AXES)
            assert torch.equal(ours, theirs) == alike
        # EG3D's third plane is the second with width and height exchanged, and does not see y.
        transposed = torch.zeros_like(planes)
        transposed[:, 1] = 3 * planes[:, 2].mT
        torch.testing.assert_close(sampled(transposed, points, 2.0, planar=True), theirs)
        moved = points + torch.tensor([0, 0.1, 0])
        assert torch.equal(sampled(only_plane(planes, 2), moved, 2.0, "xy_xz_zx", planar=True), theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("features", [1, 16, 32, 33])
@pytest.mark.parametrize(("depth", "planar"), [(1, True), (1, False), (3, False)])
def test_points_on_the_edge_of_everything_are_read_inside_the_planes(depth, planar, features, dtype):
    """Around the planes lies NaN: a read beyond them would come out."""
    values = torch.tensor([-2.0, -1.0, -0.8, 0.0, 0.8, 1.0, 1.0 + 1e-7, 1.2, 2.0])
    values = torch.cat([values, values * (1 - 6e-8), torch.tensor([1e9, -1e9, 3e38, -3e38, math.inf, -math.inf])])
    points = torch.cartesian_prod(values, values, torch.tensor([0.0, -1.0, 1.0, 1e30, -math.inf]))[None].to(dtype)
    planes = op_checks.place(op_cases.normal(15, 1, 3, depth, features, 5, 5), dtype, "cpu", "sliced")
    points.requires_grad_()
    planes.requires_grad_()
    outcomes = []
    for path in PATHS:
        with ops.forced(path):
            y = sampled(planes, points, 2.0, planar=planar)
        outcomes.append(y.detach())
        gradients = torch.autograd.grad(y.sum(), [planes, points])
        assert path == "reference" or all(t.isfinite().all() for t in (y, *gradients))
    finite = points.detach().abs().amax(-1)[0] < 1e8  # beyond, PyTorch's own integers overflow
    op_checks.assert_close(outcomes[0][:, finite], outcomes[1][:, finite], 1e-5)


def test_undefined_points_are_outside():
    planes = torch.randn(1, 3, 3, 32, 4, 4)
    points = torch.full((1, 70, 3), math.nan, requires_grad=True)
    with ops.forced("native"):
        y = sampled(planes, points, 1.0)
        (gradient,) = torch.autograd.grad(y.sum(), points)
    assert not y.any()
    assert not gradient.any()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shape", [(0, 5), (2, 0), (0, 0)])
def test_no_images_and_no_points_are_fine(shape, path):
    batch, num_points = shape
    planes = torch.randn(batch, 3, 2, 4, 3, 3, requires_grad=True)
    points = torch.randn(batch, num_points, 3, requires_grad=True)
    with ops.forced(path):
        y = sampled(planes, points, 1.0)
        gradients = torch.autograd.grad(y.sum(), [planes, points])
    assert y.shape == (batch, num_points, 4)
    assert [g.shape for g in gradients] == [planes.shape, points.shape]
    assert not gradients[0].any()


@pytest.mark.parametrize("height", [1, 2, 5, 9])
def test_the_gradient_to_the_planes_is_the_same_bit_by_bit_however_many_threads_share_the_rows(height):
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, 3, 2, 5, height, 7, generator=generator).requires_grad_()
    points = 1.6 * torch.rand(2, 200, 3, generator=generator) - 0.8
    cotangent = torch.randn(2, 200, 5, generator=generator)

    def gradient(path, threads):
        torch.set_num_threads(threads)
        with ops.forced(path):
            return torch.autograd.grad(sampled(planes, points, 1.0), planes, cotangent)[0]

    before = torch.get_num_threads()
    try:
        alone, expected = gradient("native", 1), gradient("reference", 1)
        shared = [gradient("native", threads) for threads in (2, 4, 5)]
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(alone, expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(alone, other) for other in shared)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"planes": torch.zeros(1, 3, 4, 5, 5)}, r"planes must be \[N, 3, D, F, H, W\], got \[1, 3, 4, 5, 5\]"),
        ({"planes": torch.zeros(1, 4, 1, 4, 5, 5)}, r"planes must be .* got \[1, 4, 1, 4, 5, 5\]"),
        (
            {"planes": torch.zeros(1, 3, 1, 4, 5, 5, dtype=torch.int64)},
            "planes must be floating point, got torch.int64",
        ),
        ({"points": torch.zeros(1, 7, 2)}, r"points must be \[N, P, 3\] with N = 1 as the planes, got \[1, 7, 2\]"),
        ({"points": torch.zeros(2, 7, 3)}, r"with N = 1 as the planes, got \[2, 7, 3\]"),
        ({"points": torch.zeros(7, 3)}, r"points must be .* got \[7, 3\]"),
        ({"box_size": 0.0}, "box_size must be positive, got 0.0"),
        ({"box_size": math.nan}, "box_size must be positive, got nan"),
        ({"axes": "xyz"}, "unknown axes 'xyz'; choose one of xy_xz_yz, xy_xz_zx"),
        ({"planes": torch.zeros(1, 3, 2, 4, 5, 5), "planar": True}, "planar sampling needs planes of depth 1, .* 2"),
        ({"w1": torch.zeros(6, 3)}, r"w1 \[H, 4\] as the planes' features, .* got \[6, 3\], \[6\], \[2, 6\], \[2\]"),
        ({"w2": torch.zeros(0, 6), "b2": torch.zeros(0)}, "none of them empty"),
        ({"b1": torch.zeros(6).double()}, "must be torch.float32, got torch.float32, torch.float64"),
        ({"b1": torch.zeros(6).bfloat16()}, "must be torch.float32, got torch.bfloat16, torch.float32"),
        ({"seen": torch.zeros(1, 6) > 0}, r"seen must be bool \[1, 7\] as the points, got torch.bool \[1, 6\]"),
        ({"seen": torch.zeros(1, 7)}, r"seen must be bool \[1, 7\] as the points, got torch.float32 \[1, 7\]"),
    ],
)
def test_mistakes_are_named(arguments, complaint):
    defaults = {"planes": torch.zeros(1, 3, 1, 4, 5, 5), "points": torch.zeros(1, 7, 3), "box_size": 1.0}
    layers = {"w1": torch.zeros(6, 4), "b1": torch.zeros(6), "w2": torch.zeros(2, 6), "b2": torch.zeros(2)}
    with pytest.raises(ValueError, match=complaint):
        ops.trigrid_decode(**{**defaults, **layers, **arguments})
