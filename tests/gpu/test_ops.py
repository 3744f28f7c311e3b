# SPDX-License-Identifier: Apache-2.0
"""The operators on a GPU: the comparisons of tests/torch_utils/ops with another device, and what only a GPU has."""

import pytest
import torch

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops

DEVICE = "cuda"
TAPS = ops.filter_taps()


def named(**groups: list[op_cases.Case]) -> list:
    return [pytest.param(case, id=f"{op}-{case}") for op, cases in groups.items() for case in cases]


CASES = named(
    biased_act=op_cases.biased_act_cases(),
    fir_resample=op_cases.fir_cases(),
    fir_act=op_cases.fir_act_cases(),
    trigrid_decode=op_cases.decode_cases(),
    composite=op_cases.composite_cases(),
    composite_passes=op_cases.composite_passes_cases(),
    importance_depths=op_cases.importance_cases(),
    philox_words=op_cases.philox_cases(),
)
# Atomics sum the gradient of the planes in the order in which threads arrive.
REPEATABLE = [param for param in CASES if not param.id.startswith("trigrid_decode")]


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_kernels_equal_the_reference_in_float64_with_all_gradients(case, dtype):
    if dtype in (torch.bfloat16, torch.float16) and case.order == 0:
        pytest.skip("depths are float32 at least")
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, DEVICE, layout)


def test_a_picture_of_a_real_size_equals_the_reference():
    """Samples, decoder and compositing in the sizes of PanoHead; float64, so that long sums prove something."""
    rays, samples = 3000, 48
    planes = op_cases.normal(40, 1, 64, 48, 3, 3, 32).permute(0, 3, 4, 5, 1, 2)
    points = op_cases.uniform(41, 1, rays * samples, 3) * 1.3 - 0.65  # some lie outside
    layers = [op_cases.normal(42 + i, *shape) / 4 for i, shape in enumerate(((64, 32), (64,), (33, 64), (33,)))]
    depths = op_cases.uniform(46, 1, rays, samples).sort(-1).values.to(DEVICE)
    seen = (op_cases.uniform(47, 1, rays * samples) < 0.75).to(DEVICE)

    def picture(planes, points, *layers):
        density, colour = ops.trigrid_decode(planes, points, *layers, 1.0, seen=seen)
        return ops.composite(colour.reshape(1, rays, samples, -1), density.reshape(1, rays, samples), depths)

    op_checks.check_against_float64(
        op_cases.Case("picture", picture, (planes, points, *layers), 1, (1,)), torch.float64, DEVICE
    )


def test_the_gradients_of_many_points_are_those_of_all_of_them():
    op_checks.check_against_float64(op_cases.decode_of_many_points(), torch.float64, DEVICE)


def test_layers_too_wide_for_the_kernels_are_served_all_the_same():
    for dtype in op_checks.DTYPES:
        op_checks.check_against_float64(op_cases.wide_decode(), dtype, DEVICE)


def test_merged_depths_agree_where_rays_are_long():
    first = op_cases.uniform(55, 999, 130).sort(-1).values.float().to(DEVICE)
    second = torch.cat([first[:, ::3], first[:, 1::5] + 0.001], -1).sort(-1).values  # many are equal
    for a, b in ((first, second), (second, first), (first[:, :0], second), (first, second[:, :0])):
        with ops.forced("reference"):
            depths, order = ops.merge_depths(a, b)
        with ops.forced("native"):
            found = ops.merge_depths(a, b)
        assert torch.equal(found[0], depths)
        assert torch.equal(found[1], order)


def test_the_gradient_into_planes_says_that_its_sums_are_in_no_order():
    planes = torch.randn(1, 3, 1, 4, 5, 5, device=DEVICE, requires_grad=True)
    points = torch.rand(1, 9, 3, device=DEVICE)
    layers = [x.float().to(DEVICE) for x in op_cases.layers_of(4, 8, 3)]
    sampled = ops.trigrid_decode(planes, points, *layers, 2.0)[1].sum()
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
            sampled.backward()
    finally:
        torch.use_deterministic_algorithms(before)


def test_merged_depths_are_sorted_and_stable():
    first = torch.tensor([[1.0, 2.0, 2.0, 5.0]], device=DEVICE)
    depths, order = ops.merge_depths(first, torch.tensor([[0.5, 2.0, 6.0]], device=DEVICE))
    assert depths.tolist() == [[0.5, 1, 2, 2, 2, 5, 6]]
    assert order.tolist() == [[4, 0, 1, 2, 5, 3, 6]]


@pytest.mark.parametrize("case", REPEATABLE)
def test_kernels_give_the_same_bits_twice(case):
    op_checks.check_deterministic(case, DEVICE)


@pytest.mark.parametrize("case", [param for param in CASES if param.id in (
    "biased_act-lrelu", "biased_act-swish-clamped", "fir_resample-upsample", "fir_resample-long", "fir_act-lrelu",
    "trigrid_decode-depth3", "trigrid_decode-seen", "composite-channels5", "composite_passes-channels5",
    "importance_depths-exact", "importance_depths-merge", "philox_words-cut-short",
)])  # fmt: skip
def test_compiled_in_one_graph_gives_the_eager_values_and_gradients(case):
    op_checks.check_compiles(case, "native", DEVICE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_activations_of_a_real_size_equal_the_reference(layout, dtype):
    x, bias, noise = op_cases.normal(0, 2, 64, 259, 257), op_cases.normal(1, 64), op_cases.normal(2, 1, 1, 258, 256)
    case = op_cases.Case(
        "large", lambda x, n, b: ops.fir_act(x, TAPS, n, b, "lrelu", (1, 1, 1, 1), 4.0), (x, noise, bias), order=1
    )
    op_checks.check_against_float64(case, dtype, DEVICE, layout)


def test_elements_beyond_the_reach_of_32_bits_are_found():
    """More than 2^31 elements, one at a time: also more than one sweep of the threads takes."""
    if torch.cuda.mem_get_info()[0] < 16 * 2**30:
        pytest.skip("needs 16 GiB of free GPU memory")
    height = 2**16 + 1
    x = torch.zeros(1, 1, height, 2**15, dtype=torch.bfloat16, device=DEVICE)
    marks = [(0, 0), (2**15, 7), (height - 2, 2**15 - 2), (height - 1, 2**15 - 1)]
    for i, (row, column) in enumerate(marks):
        x[0, 0, row, column] = i + 1
    with ops.forced("native"):
        for call in (
            lambda: ops.biased_act(x, None, "linear", gain=2.0),
            lambda: ops.fir_resample(x, torch.ones(1, device=DEVICE), gain=2.0),
        ):
            y = call()
            assert [y[0, 0, row, column].item() for row, column in marks] == [2, 4, 6, 8]
            assert sum(y[0, 0, rows].float().sum().item() for rows in torch.arange(height).split(4096)) == 20
            del y


def test_samples_beyond_the_reach_of_32_bits_are_found():
    if torch.cuda.mem_get_info()[0] < 24 * 2**30:
        pytest.skip("needs 24 GiB of free GPU memory")
    count = 2**26 + 5  # of 32 features each
    planes = (
        torch.ones(1, 2, 2, 3, 1, 32, dtype=torch.bfloat16, device=DEVICE).permute(0, 3, 4, 5, 1, 2).requires_grad_()
    )
    points = torch.zeros(1, count, 3, device=DEVICE)
    outside = [0, 2**25 - 1, 2**26 + 1, count - 1]
    points[0, outside] = 9.0
    with ops.forced("native"):
        layers = [x.float().to(DEVICE) for x in op_cases.pass_through(32)]
        sampled = ops.trigrid_decode(planes, points, *layers, 1.0)[1]
        assert [i for i in (*outside, 1, 2**26, count - 2) if sampled[0, i].max() > 0.5] == [1, 2**26, count - 2]
        cotangent = torch.zeros_like(sampled)
        cotangent[0, count - 2] = 3.0
        (gradient,) = torch.autograd.grad(sampled, planes, cotangent)
        # A third of 3 on each plane, a quarter of that on each of its texels.
        torch.testing.assert_close(gradient, torch.full_like(gradient, 0.25))
    del sampled, cotangent, points
    rays, samples = 2**20 + 3, 65
    features = torch.zeros(rays, samples, 32, dtype=torch.bfloat16, device=DEVICE)
    features[-1] = 1.0
    features.requires_grad_()
    densities = torch.full((rays, samples), 500.0, device=DEVICE)
    depths = torch.linspace(1, 2, samples, device=DEVICE).expand(rays, -1).contiguous()
    with ops.forced("native"):
        seen, _, _ = ops.composite(features, densities, depths)
        assert seen[-1].tolist() == [1.0] * 32
        assert not seen[:-1].any()
        (gradient,) = torch.autograd.grad(seen, features, torch.ones_like(seen))
        assert gradient[-1, :2].unique().tolist() == [0.5]  # all of the first interval, of which each end has a half


class Layer:
    """One call of every kernel, with nothing copied from the host, which would wait for the stream."""

    def __init__(self, device: str) -> None:
        self.taps, self.bias = TAPS.to(device), torch.ones(8, device=device)
        self.points = torch.linspace(-0.6, 0.6, 3 * 5 * 12, device=device).reshape(1, -1, 3)
        self.depths = torch.linspace(1, 2, 12, device=device).expand(1, 5, 12).contiguous()
        self.layers = [torch.linspace(-1, 1, n, device=device) for n in (12, 6, 18, 3)]
        self.u = ops.mid_cell(4, device)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = ops.fir_act(x, self.taps, act="lrelu", pad=(1, 1, 1, 1), fir_gain=4.0)
        x = ops.biased_act(ops.upsample(x, self.taps), self.bias, "swish")
        return x + self.rays(x).mean()

    def rays(self, x: torch.Tensor) -> torch.Tensor:
        """Samples, decoder and compositing, with the pictures as planes."""
        planes = x[:1, :6].reshape(1, 3, 1, 2, *x.shape[2:])
        w1, b1, w2, b2 = self.layers
        layers = w1.reshape(6, 2), b1, w2.reshape(3, 6), b2
        density, colour = ops.trigrid_decode(planes, self.points, *layers, 1.0, seen=self.points[..., 0] < 0.5)
        samples = colour.reshape(1, 5, 12, 2), density.reshape(1, 5, 12), self.depths
        _, _, weights = ops.composite(*samples)
        fine = ops.importance_depths(self.depths, weights, self.u)
        depths, _ = ops.merge_depths(self.depths, fine)
        seen, depth, _ = ops.composite_passes(*samples, samples[0][:, :, :4], samples[1][:, :, :4], fine)
        return seen + depth[..., None] + depths.mean()


def test_kernels_run_on_the_current_stream():
    layer = Layer(DEVICE)
    x = torch.zeros(2, 8, 33, 33, device=DEVICE)
    ones = torch.ones_like(x)
    expected = layer(ones)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)  # a kernel on any other stream would overtake the copy and read zeros
        x.copy_(ones)
        y = layer(x)
    stream.synchronize()
    assert torch.equal(y, expected)


def test_nothing_waits_for_the_device_forward_or_backward():
    layer = Layer(DEVICE)
    x = torch.randn(2, 8, 33, 33, device=DEVICE, requires_grad=True)
    layer(x).sum().backward()  # loads PyTorch's own kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        with ops.forced("native"):
            layer(x).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_kernels_can_be_captured_in_a_graph_and_replayed():
    layer = Layer(DEVICE)
    x = torch.randn(2, 8, 17, 17, device=DEVICE)
    layer(x)  # loads PyTorch's own kernels, which must not happen during the capture
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = layer(x)
    x.copy_(torch.randn_like(x))
    graph.replay()
    assert torch.equal(y, layer(x))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_kernels_run_where_their_tensors_live_and_leave_the_current_device_alone():
    x = torch.randn(2, 8, 16, 16)
    with torch.cuda.device(0):
        y = Layer("cuda:1")(x.to("cuda:1"))
        assert torch.cuda.current_device() == 0
        assert y.device == torch.device("cuda:1")
        op_checks.assert_close(y.cpu(), Layer("cuda:0")(x.to("cuda:0")).cpu(), 1e-6)
        assert torch.empty(1, device=DEVICE).device == torch.device("cuda:0")


def test_tensors_of_two_devices_are_refused():
    x, bias = torch.randn(2, 3, 4, 4, device=DEVICE), torch.randn(3)
    with pytest.raises(RuntimeError, match="bias does not fit x"):
        ops.biased_act(x, bias, "lrelu")
