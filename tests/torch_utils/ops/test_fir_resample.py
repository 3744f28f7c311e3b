# SPDX-License-Identifier: Apache-2.0
"""fir_resample: against loops and dense convolution, published numbers, adjointness, and what its faces keep."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torch_utils.ops import op_cases, op_checks
from torch_utils import ops
from torch_utils.ops.fir_resample import downsample_pad, output_size, transposed_pad, upsample_pad

pytestmark = pytest.mark.usefixtures("native_cpu")

PATHS = ("native", "reference")
TAPS = ops.filter_taps()


@st.composite
def resamplings(draw):
    """(x, taps, up, down, pad) of any kind that leaves at least one sample."""
    size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    num_taps = draw(st.integers(1, 6) | st.integers(7, 14))
    up, down = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    pad = []
    for length in (size[1], size[0]):
        before = draw(st.integers(-min(3, length * up - 1), num_taps + 2))
        least = num_taps - length * up - before  # one output at least
        pad += [before, draw(st.integers(max(-3, least), max(-3, least) + num_taps + 3))]
    channels = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 1000))
    x = op_cases.normal(seed, draw(st.integers(1, 2)), channels, *size)
    if draw(st.booleans()):
        x = x.contiguous(memory_format=torch.channels_last)
    return x, op_cases.normal(seed + 1, num_taps), up, down, tuple(pad)


def resampled_by_loops(x, taps, up, down, pad, gain):
    """The definition read aloud, one axis at a time."""

    def axis(signal, before, after):
        stuffed = [value for sample in signal for value in (sample, *[0.0] * (up - 1))]
        padded = [0.0] * max(before, 0) + stuffed + [0.0] * max(after, 0)
        padded = padded[max(-before, 0) : len(padded) - max(-after, 0)]
        weights = taps.flip(0).tolist()
        starts = range(0, len(padded) - len(weights) + 1, down)
        return [sum(w * v for w, v in zip(weights, padded[start:], strict=False)) for start in starts]

    def image(rows):
        rows = [axis(row, pad[0], pad[1]) for row in rows]
        columns = [axis(column, pad[2], pad[3]) for column in zip(*rows, strict=True)]
        return [list(row) for row in zip(*columns, strict=True)]

    return gain * torch.tensor([[image(c.tolist()) for c in picture] for picture in x], dtype=torch.float64)


def resampled_by_dense_convolution(x, taps, up, down, pad, gain):
    """A two-dimensional kernel on a zero-stuffed canvas large enough for every crop."""
    n, c, h, w = x.shape
    margin = max(0, *(abs(p) for p in pad))
    canvas = x.new_zeros(n, c, h * up + 2 * margin, w * up + 2 * margin)
    canvas[:, :, margin : margin + h * up : up, margin : margin + w * up : up] = x
    grown = F.pad(canvas, (margin,) * 4)
    grown = grown[:, :, 2 * margin - pad[2] :, 2 * margin - pad[0] :]
    grown = grown[:, :, : h * up + pad[2] + pad[3], : w * up + pad[0] + pad[1]]
    kernel = gain * torch.outer(taps, taps).flip(0, 1)
    y = F.conv2d(grown.reshape(n * c, 1, *grown.shape[2:]), kernel[None, None].to(x), stride=down)
    return y.reshape(n, c, *y.shape[2:])


# --- Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(resampling=resamplings())
def test_values_are_those_of_plain_loops_and_of_dense_convolution(path, resampling):
    x, taps, up, down, pad = resampling
    with ops.forced(path):
        y = ops.fir_resample(x, taps, up, down, pad, gain=1.3)
    assert tuple(y.shape[2:]) == output_size(tuple(x.shape[2:]), len(taps), up, down, pad)
    torch.testing.assert_close(y, resampled_by_loops(x, taps, up, down, pad, 1.3), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(y, resampled_by_dense_convolution(x, taps, up, down, pad, 1.3), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers(path):
    x = op_cases.sines(1, 1, 4, 4, start=0.5).float()
    with ops.forced(path):
        up, down = ops.upsample(x, TAPS), ops.downsample(x, TAPS)
        blurred = ops.smooth(x, ops.filter_taps([2.0 ** -(j**2) for j in range(-3, 4)]))
    expected = [0.269677, 0.412989, 0.519827, 0.607270, 0.675315, 0.719359, 0.739402, 0.562068]
    torch.testing.assert_close(up[0, 0, 0], torch.tensor(expected), atol=1e-6, rtol=1e-5)
    expected = [[0.409411, 0.310311], [-0.371310, -0.409849]]
    torch.testing.assert_close(down[0, 0], torch.tensor(expected), atol=1e-6, rtol=1e-5)
    expected = [0.292935, 0.309390, 0.188131, 0.064944]
    torch.testing.assert_close(blurred[0, 0, 1], torch.tensor(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_published_numbers_of_a_downsampling_convolution(path):
    """1 x 1, two channels to three, with the runtime scale 1 / sqrt(2) of its weights and gain sqrt(0.5)."""
    x, weight = op_cases.sines(1, 2, 4, 4, start=0.9).float(), op_cases.sines(3, 2, 1, 1, start=0.5).float()
    with ops.forced(path):
        y = F.conv2d(ops.downsample(x, TAPS), weight * 0.5**0.5) * 0.5**0.5
    expected = [0.240670, 0.157699, -0.243285, -0.241285]
    torch.testing.assert_close(y[0, 0].flatten(), torch.tensor(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", op_checks.DTYPES, ids=str)
@pytest.mark.parametrize("case", op_cases.fir_cases(), ids=str)
def test_native_equals_the_reference_in_float64_to_second_order(case, dtype):
    for layout in op_checks.layouts_for(case):
        op_checks.check_against_float64(case, dtype, layout=layout)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("case", op_cases.fir_cases(), ids=str)
def test_first_and_second_gradients_are_those_of_finite_differences(case, path):
    op_checks.check_gradients_numerically(case, path)


@pytest.mark.parametrize("num_taps", range(1, 14))
@pytest.mark.parametrize("channels_last", [False, True])
def test_every_number_of_taps_is_right_in_every_phase(num_taps, channels_last):
    """The kernels unroll some counts and not others."""
    x, taps = op_cases.normal(0, 1, 17, 5, 19).float(), op_cases.normal(1, num_taps).float()
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    for up, down in [(1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (4, 6)]:
        arguments = (taps, up, down, (num_taps, num_taps - 1, 2, num_taps), 0.8)
        with ops.forced("native"):
            y = ops.fir_resample(x, *arguments)
        op_checks.assert_close(y, resampled_by_dense_convolution(x.double(), *arguments), 2e-6, f"{up}/{down}")


# --- Properties -------------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(resampling=resamplings())
def test_the_gradient_is_the_adjoint(resampling):
    """<fir(x), y> = <x, fir^T(y)>, where fir^T is another resampling: flipped taps, up and down exchanged."""
    x, taps, up, down, pad = resampling
    size = tuple(x.shape[2:])
    with ops.forced("native"):
        y = ops.fir_resample(x, taps, up, down, pad, 0.7)
        g = op_cases.normal(5, *y.shape)
        back = ops.fir_resample(g, taps.flip(0), down, up, transposed_pad(size, len(taps), up, down, pad), 0.7)
    assert back.shape == x.shape
    torch.testing.assert_close((y * g).sum(), (x * back).sum(), rtol=1e-9, atol=1e-10)


@settings(max_examples=150)
@given(resampling=resamplings())
def test_transposing_the_padding_twice_gives_the_same_outputs(resampling):
    x, taps, up, down, pad = resampling
    size, k = tuple(x.shape[2:]), len(taps)
    out = output_size(size, k, up, down, pad)
    there = transposed_pad(size, k, up, down, pad)
    back = transposed_pad(out, k, down, up, there)
    assert output_size(out, k, down, up, there) == size
    assert output_size(size, k, up, down, back) == out
    assert (back[0], back[2]) == (pad[0], pad[2])
    assert all(b <= p for b, p in zip(back, pad, strict=True))  # less what no output reads


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=30)
@given(resampling=resamplings(), a=st.floats(-3, 3))
def test_resampling_is_linear(path, resampling, a):
    x, *arguments = resampling
    other = op_cases.normal(6, *x.shape)
    with ops.forced(path):
        both = ops.fir_resample(x + a * other, *arguments)
        apart = ops.fir_resample(x, *arguments) + a * ops.fir_resample(other, *arguments)
    torch.testing.assert_close(both, apart, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("face", "size", "num_taps"), [
    (ops.upsample, 24, 4), (ops.upsample, 24, 2), (ops.downsample, 6, 4), (ops.downsample, 6, 6), (ops.smooth, 12, 5),
])  # fmt: skip
def test_constants_are_kept_away_from_the_border(face, size, num_taps, path):
    # Binomial taps: their even and odd ones weigh the same, without which upsampling would ripple.
    row = [1]
    for _ in range(num_taps - 1):
        row = [a + b for a, b in zip([0, *row], [*row, 0], strict=True)]
    with ops.forced(path):
        y = face(torch.full((1, 2, 12, 12), 3.0), ops.filter_taps(row))
    assert y.shape == (1, 2, size, size)
    torch.testing.assert_close(y[..., 3:-3, 3:-3], torch.full_like(y[..., 3:-3, 3:-3], 3.0))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("face", "factor"), [(ops.upsample, 2.0), (ops.downsample, 0.5)])
def test_faces_are_centred(face, factor, path):
    """A blob stays where it is, in units of the picture's width."""
    at = torch.arange(32, dtype=torch.float64)
    blob = torch.exp(-((at - 14.2) ** 2) / 8)
    x = (blob[:, None] * blob).expand(1, 1, 32, 32)
    with ops.forced(path):
        y = face(x, TAPS)
    columns = y.sum((0, 1, 2))
    centre = (columns * (torch.arange(len(columns)) + 0.5)).sum() / columns.sum()
    assert abs(centre / factor - 14.7) < 1e-4


@pytest.mark.parametrize("path", PATHS)
def test_the_filtering_is_a_convolution_and_not_a_correlation(path):
    impulse = torch.zeros(1, 1, 1, 5)
    impulse[..., 2] = 1
    with ops.forced(path):
        y = ops.fir_resample(impulse, torch.tensor([1.0, 2.0, 3.0]), pad=(1, 1, 1, 1))
    assert y[0, 0, 0].tolist() == [
        0,
        2,
        4,
        6,
        0,
    ]  # the impulse becomes the taps, times the middle tap of the other axis


@pytest.mark.parametrize("path", PATHS)
def test_upsampling_the_skip_picture_is_bilinear_with_a_zero_border(path):
    x = op_cases.normal(7, 2, 3, 6, 5)
    bilinear = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)
    with ops.forced(path):
        torch.testing.assert_close(ops.upsample(x, TAPS.double()), bilinear[..., 2:-2, 2:-2])


def test_odd_paddings_of_the_faces_keep_their_sizes():
    for k in range(1, 12):
        for factor in (1, 2, 3):
            assert output_size((6, 12), k, factor, 1, upsample_pad(k, factor)) == (6 * factor, 12 * factor)
            assert output_size((6, 12), k, 1, factor, downsample_pad(k, factor)) == (6 // factor, 12 // factor)


def test_filter_taps_sum_to_one():
    torch.testing.assert_close(TAPS, torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8)
    assert ops.filter_taps([2, 4]).tolist() == torch.tensor([1 / 3, 2 / 3]).tolist()


@pytest.mark.parametrize("path", PATHS)
def test_a_crop_may_reach_into_the_padding(path):
    with ops.forced(path):
        y = ops.fir_resample(torch.ones(1, 1, 3, 3), torch.ones(1), pad=(-5, 9, 2, -4))
    assert y.shape == (1, 1, 1, 7)
    assert not y.any()


def test_empty_batches_are_resampled_to_empty_batches():
    for path in PATHS:
        x = torch.zeros(0, 3, 4, 4, requires_grad=True)
        with ops.forced(path):
            y = ops.upsample(x, TAPS)
            (gradient,) = torch.autograd.grad(y.sum(), x)
        assert (y.shape, gradient.shape) == ((0, 3, 8, 8), (0, 3, 4, 4))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"x": torch.zeros(3, 4, 4)}, r"x must be \[N, C, H, W\], got \[3, 4, 4\]"),
        ({"x": torch.zeros(1, 3, 4, 4, dtype=torch.uint8)}, "x must be floating point, got torch.uint8; convert it"),
        ({"taps": torch.ones(2, 2)}, r"taps must be one-dimensional, got \[2, 2\]; see filter_taps"),
        ({"taps": torch.ones(0)}, r"taps must be one-dimensional, got \[0\]"),
        ({"taps": torch.ones(4, requires_grad=True)}, "taps are a constant; detach them"),
        ({"pad": (1, 1)}, r"pad must be \(left, right, top, bottom\), got \(1, 1\)"),
        ({"up": 0}, "up and down must be at least 1, got 0 and 1"),
        ({"down": -1}, "up and down must be at least 1, got 1 and -1"),
        ({"taps": torch.ones(9)}, r"4 x 4 samples with up=1, pad=\(0, 0, 0, 0\) are fewer than the 9 taps; pad more"),
        ({"pad": (-4, 0, 0, 0)}, r"pad=\(-4, 0, 0, 0\) are fewer than the 2 taps"),
    ],
)
def test_mistakes_are_named(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        ops.fir_resample(**{"x": torch.zeros(1, 3, 4, 4), "taps": torch.ones(2), **arguments})
