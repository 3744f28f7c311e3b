# SPDX-License-Identifier: Apache-2.0
"""The operators as PyTorch sees them: opcheck, torch.compile, meta and fake tensors, the same bits on every run."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.library import opcheck

from tests.torch_utils.ops import op_cases, op_checks
from tests.torch_utils.ops.solids import random_solid
from torch_utils import ops

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
INF = float("inf")
TAPS = ops.filter_taps()
XY_XZ_YZ = [0, 1, 2, 0, 2, 1, 1, 2, 0]

GROUPS = {
    "biased_act": op_cases.biased_act_cases(),
    "fir_resample": op_cases.fir_cases(),
    "fir_act": op_cases.fir_act_cases(),
    "trigrid_decode": op_cases.decode_cases(),
    "composite": op_cases.composite_cases(),
    "composite_passes": op_cases.composite_passes_cases(),
    "importance_depths": op_cases.importance_cases(),
    "philox_words": op_cases.philox_cases(),
    "distance_field": op_cases.distance_cases(),
}
ALL_CASES = [pytest.param(case, id=f"{op}-{case}") for op, cases in GROUPS.items() for case in cases]


def pick(*names: str, slow: tuple[str, ...] = ()) -> list:
    """Cases by name: those that trace differently."""
    cases = {f"{op}/{case}": case for op, cases in GROUPS.items() for case in cases}
    quick = [pytest.param(cases[name], id=name.replace("/", "-")) for name in names]
    return quick + [pytest.param(cases[name], id=name.replace("/", "-"), marks=pytest.mark.slow) for name in slow]


def image(*shape: int, channels_last: bool = False, requires_grad: bool = False) -> torch.Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    return x.requires_grad_(requires_grad)


def needs(*shape: int) -> torch.Tensor:
    return image(*shape, requires_grad=True)


def trained(x: torch.Tensor) -> torch.Tensor:
    return x.clone().requires_grad_()


def samples() -> dict[str, list[tuple]]:
    """Arguments of every registered operator, by its name."""
    last = image(2, 6, 5, 4, channels_last=True, requires_grad=True)
    sliced = image(2, 8, 7, 6)[:, 1:7, 1:-1, ::2].requires_grad_()
    planes = image(2, 3, 2, 4, 5, 3)
    innermost = image(2, 5, 3, 3, 2, 4).permute(0, 3, 4, 5, 1, 2)
    layers, constants = (image(5, 4), image(5), image(3, 5), image(3)), (2.0, XY_XZ_YZ, False, None)
    cotangents, seen = (image(2, 7), image(2, 7, 2)), image(2, 7) > 0
    rays = (image(3, 6, 2), image(3, 6), torch.linspace(1, 2, 6).expand(3, 6))
    return {
        "biased_act": [
            (needs(2, 6, 5, 4), needs(6), "lrelu", 1.4, INF),
            (last, needs(6), "relu", 1.4, 0.5),
            (sliced, None, "linear", 2.0, 0.5),
            (last, None, "swish", 1.4, INF),
            (needs(4, 6), needs(6), "lrelu", 1.0, INF),
            (needs(0, 6, 3), needs(6), "lrelu", 1.0, INF),
        ],
        "biased_act_": [
            (image(2, 6, 5, 4), image(6), "lrelu", 1.4, 0.5),
            (last.detach().clone(), None, "linear", 2.0, INF),
        ],
        "act_slope": [
            (needs(2, 6, 5, 4), image(2, 6, 5, 4), "lrelu", 1.4, 0.5),
            (last, last.detach(), "relu", 1.0, INF),
            (needs(2, 6, 5, 4), last, "tanh", 1.0, 0.5),
        ],
        "act_curve": [
            (image(2, 6), image(2, 6), image(2, 6), "swish", 1.4, 0.5),
            (last.detach(), image(2, 6, 5, 4), last.detach(), "tanh", 1.0, INF),
        ],
        "fir_resample": [
            (needs(2, 6, 5, 4), TAPS, 2, 1, [2, 1, 2, 1], 4.0),
            (last, TAPS, 1, 2, [1, 1, 1, 1], 1.0),
            (sliced, torch.ones(3), 3, 2, [3, -1, 0, 2], 1.0),
            (needs(0, 6, 5, 4), TAPS, 1, 1, [1, 1, 1, 1], 1.0),
        ],
        "fir_act": [
            (needs(2, 6, 5, 4), TAPS, needs(1, 1, 4, 3), needs(6), [1, 1, 1, 1], 4.0, "lrelu", 1.4, INF),
            (last, TAPS, needs(2, 1, 4, 3), None, [1, 1, 1, 1], 4.0, "relu", 1.4, 0.5),
            (sliced, TAPS, None, needs(6), [2, 2, 2, 2], 1.0, "linear", 1.0, INF),
        ],
        "trigrid_decode": [
            (planes.clone().requires_grad_(), needs(2, 7, 3), *map(trained, layers), *constants),
            (innermost.clone().requires_grad_(), image(2, 7, 3), *layers, *constants[:-1], seen),
            (image(2, 3, 1, 4, 5, 3), needs(2, 7, 3), *layers, 2.0, XY_XZ_YZ, True, None),
            (image(0, 3, 2, 4, 5, 3), image(0, 7, 3), *layers, *constants),
            (planes, image(2, 0, 3), *layers, *constants),
            (planes.bfloat16().requires_grad_(), image(2, 7, 3), *layers, *constants),
        ],
        # Each memory layout decides the strides of the gradient, which the fake implementation must foretell.
        "trigrid_decode_grad": [
            (*cotangents, given, *decoding[1:], *wanted)
            for given in (
                planes,
                innermost,
                innermost[:1].expand(2, -1, -1, -1, -1, -1),
                image(2, 7, 3, 3, 2, 4).permute(0, 3, 4, 5, 1, 2)[..., 1:-1, :],
                innermost.bfloat16(),
                image(2, 3, 2, 4, 1, 1),
            )
            for decoding in [(given, image(2, 7, 3), *layers, *constants)]
            for wanted in ((True, False, False), (True, True, True))
        ]
        + [
            (*cotangents, planes, image(2, 7, 3), *layers, *constants[:-1], seen, False, True, True),
            (image(0, 7), image(0, 7, 2), innermost[:0], image(0, 7, 3), *layers, *constants, True, True, True),
        ],
        "composite": [
            tuple(x.clone().requires_grad_() for x in rays),
            (needs(6, 2), image(6), torch.linspace(1, 2, 6)),
            (needs(0, 6, 2), needs(0, 6), image(0, 6)),
            (image(3, 1, 2), image(3, 1), image(3, 1)),
            (image(3, 6, 2).bfloat16(), *rays[1:]),
        ],
        "composite_grad": [(image(3, 2), image(3), image(3, 5), *rays)],
        "composite_passes": [
            (*rays, needs(3, 4, 2), needs(3, 4), image(3, 4).sort(-1).values),
            (image(0, 6, 2), image(0, 6), image(0, 6), image(0, 4, 2), image(0, 4), image(0, 4)),
        ],
        "composite_passes_grad": [
            (image(3, 2), image(3), image(3, 9), *rays, image(3, 4, 2), image(3, 4), image(3, 4).sort(-1).values),
        ],
        "importance_depths": [
            (image(3, 6).sort(-1).values, image(3, 5).abs(), torch.rand(3, 4), False),
            (image(6).sort(-1).values, image(5).abs(), torch.rand(4), True),
            (image(3, 6), image(3, 5), torch.rand(1, 4).expand(3, 4), False),
        ],
        "merge_depths": [
            (image(3, 6).sort(-1).values, image(3, 4).sort(-1).values),
            (image(0, 6), image(0, 4)),
        ],
        "philox_words": [
            (torch.arange(3), 2**63 - 1, 6),
            (torch.arange(20)[::2] - 5, -1, 7),
            (torch.arange(0), 0, 4),
            (torch.arange(3), 0, 0),
        ],
        "distance_field": [
            (image(70, 3), random_solid(0).table()),
            (image(3, 70).T, random_solid(1).table()),
            (image(0, 3), random_solid(2).table()),
        ],
    }  # fmt: skip


SAMPLES = [pytest.param(op, args, id=f"{op}-{i}") for op, rows in samples().items() for i, args in enumerate(rows)]


@pytest.mark.parametrize(("op", "args"), SAMPLES)
def test_opcheck_finds_nothing(op, args):
    opcheck(getattr(torch.ops.fullhead, op).default, args)


def test_every_registered_operator_is_checked():
    registered = {name.removeprefix("fullhead::").split(".")[0] for name in torch._C._dispatch_get_all_op_names()
                  if name.startswith("fullhead::")}  # fmt: skip
    assert registered == set(samples())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", pick(
    "biased_act/lrelu", "biased_act/swish-clamped", "fir_resample/upsample", "fir_resample/downsample",
    "fir_resample/smooth", "fir_resample/up3-down2", "fir_act/lrelu", "fir_act/noise-per-image", "fir_act/tanh",
    "trigrid_decode/depth3", "trigrid_decode/seen", "trigrid_decode/planar", "composite/channels5",
    "composite_passes/channels5", "importance_depths/exact", "importance_depths/shifted", "importance_depths/merge",
    "philox_words/cut-short",
))  # fmt: skip
def test_compiled_in_one_graph_gives_the_eager_values_and_gradients(case, path):
    op_checks.check_compiles(case, path)


@pytest.mark.parametrize("case", pick(
    "biased_act/lrelu", "fir_act/noise-per-image", "trigrid_decode/seen", "composite_passes/channels5",
    "importance_depths/exact", slow=("fir_resample/up3-down2", "trigrid_decode/depth3", "composite/channels5",
          "importance_depths/merge", "philox_words/cut-short", "distance_field/solid0"),
))  # fmt: skip
def test_compiled_with_dynamic_shapes_gives_the_eager_values_and_gradients(case):
    op_checks.check_compiles(case, "native", dynamic=True)


def test_one_dynamic_graph_serves_other_shapes():
    torch.compiler.reset()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    def layer(x, bias):
        return ops.biased_act(ops.downsample(x, TAPS), bias, "lrelu")

    compiled = torch.compile(layer, fullgraph=True, backend=backend, dynamic=True)
    bias = torch.randn(3)
    with ops.forced("native"):
        for size in (6, 8, 14):
            x = torch.randn(2, 3, size, size + 2)
            assert torch.equal(compiled(x, bias), layer(x, bias))
    assert len(graphs) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", ALL_CASES)
def test_meta_and_fake_tensors_foretell_shape_type_and_layout(case, dtype):
    for layout in op_checks.layouts_for(case):
        inputs = op_checks.arguments(case, dtype, layout=layout)
        with ops.forced("native"):
            real = op_checks.as_tuple(case.call(*inputs))
            with FakeTensorMode(allow_non_fake_inputs=True) as mode:
                fake = op_checks.as_tuple(case.call(*(mode.from_tensor(x) for x in inputs)))
        meta = op_checks.as_tuple(case.call(*(x.to("meta") for x in inputs)))
        for a, b, c in zip(real, fake, meta, strict=True):
            assert (b.shape, b.dtype, b.stride()) == (a.shape, a.dtype, a.stride())
            assert (c.shape, c.dtype, c.device.type) == (a.shape, a.dtype, "meta")


@pytest.mark.parametrize("case", ALL_CASES)
def test_two_runs_give_the_same_bits(case):
    op_checks.check_deterministic(case)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads):
    """Inputs large enough that the work is divided."""
    planes = torch.randn(1, 3, 2, 40, 12, 12, requires_grad=True)
    points = torch.randn(1, 9000, 3, requires_grad=True)
    picture = torch.randn(2, 24, 60, 60, requires_grad=True)
    rays = [torch.randn(700, 9, 5, requires_grad=True), torch.randn(700, 9, requires_grad=True)]
    depths = torch.rand(700, 9).sort(-1).values
    u = torch.rand(700, 6)
    second = [torch.randn(700, 6, 5, requires_grad=True), torch.randn(700, 6, requires_grad=True)]
    layers = [torch.randn(*shape, requires_grad=True) for shape in ((9, 40), (9,), (4, 9), (4,))]
    shown = torch.rand(1, 9000) < 0.8

    def run() -> list[torch.Tensor]:
        decoded = ops.trigrid_decode(planes, points, *layers, 3.0, seen=shown)
        seen, depth, weights = ops.composite(*rays, depths)
        drawn = ops.importance_depths(depths, weights, u)
        filtered = ops.fir_act(ops.upsample(picture, TAPS), TAPS, pad=(1, 1, 1, 1))
        activated = ops.biased_act(picture, torch.arange(24.0), "swish")
        both = ops.composite_passes(*rays, depths, *second, u.sort(-1).values)
        values = [seen, depth, weights, filtered, activated, *both, *decoded]
        inputs = [planes, points, picture, *rays, *second, *layers]
        gradients = torch.autograd.grad(values, inputs, [torch.ones_like(v) for v in values])
        return [*values, drawn, *ops.merge_depths(depths, drawn.sort(-1).values), *gradients]

    before = torch.get_num_threads()
    try:
        with ops.forced("native"):
            torch.set_num_threads(1)
            one = run()
            torch.set_num_threads(threads)
            many = run()
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))


def test_vmap_gives_what_a_loop_gives():
    x = torch.randn(3, 2, 4)
    with ops.forced("native"):
        together = torch.vmap(lambda x: ops.biased_act(x, None, "lrelu"))(x)
        assert torch.equal(together, torch.stack([ops.biased_act(row, None, "lrelu") for row in x]))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", pick(
    "biased_act/lrelu", "biased_act/softplus", "fir_resample/upsample", "fir_act/lrelu", "trigrid_decode/depth3",
    "trigrid_decode/seen", "composite/channels5", "composite_passes/channels5",
))  # fmt: skip
def test_autocast_changes_nothing(case, dtype, path):
    """Or the result of a layer would depend on whether its operators are built."""
    inputs = op_checks.arguments(case, dtype)
    with ops.forced(path):
        expected = op_checks.as_tuple(case.call(*inputs))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under_autocast = op_checks.as_tuple(case.call(*inputs))
    for a, b in zip(under_autocast, expected, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


@pytest.mark.parametrize("path", PATHS)
def test_gradients_can_be_taken_after_the_block_that_forced_a_path(path):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    with ops.forced(path):
        y = ops.fir_act(x, TAPS, act="lrelu", pad=(1, 1, 1, 1))
    (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    assert second.abs().max() > 0
