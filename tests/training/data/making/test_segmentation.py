# SPDX-License-Identifier: Apache-2.0
"""From a network's output to masks: what is recognised, what is refused, and that shapes and pixels stay in place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.making.segmentation import Reading, decide_reading, mask_flaw, mask_of, network_input, read_output
from training.data.problems import DataError

rng = np.random.default_rng(0)
LOGITS = rng.normal(0, 4, (2, 5, 8, 8)).astype(np.float32)
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = LOGITS.argmax(axis=1)


@pytest.mark.parametrize(
    ("output", "classes", "activation", "expected"),
    [
        (LOGITS, [3], "auto", Reading("softmax", (3,))),
        (LOGITS, [3], "sigmoid", Reading("sigmoid", (3,))),
        (SOFTMAX, [1, 2], "auto", Reading("probabilities", (1, 2))),
        (SOFTMAX, [1], "softmax", Reading("softmax", (1,))),
        (LOGITS[:, :1], [], "auto", Reading("sigmoid", (0,))),
        (LOGITS[:, 0], [], "auto", Reading("sigmoid", (0,))),
        (SOFTMAX[:, :1], [], "none", Reading("probabilities", (0,))),
        (LABELS, [4], "auto", Reading("classes", (4,))),
        (LABELS[:, None], [4], "auto", Reading("classes", (4,))),
    ],
)
def test_the_meaning_of_an_output_is_recognised(output, classes, activation, expected):
    assert decide_reading(output, 2, classes, activation) == expected


@pytest.mark.parametrize(
    ("output", "classes", "activation", "words"),
    [
        (LOGITS, [], "auto", "--class_index"),
        (LABELS, [], "auto", "--class_index"),
        (LOGITS, [5], "auto", "0 to 4"),
        (LOGITS, [-1], "auto", "0 to 4"),
        (LOGITS, [1], "none", "--activation"),
        (LOGITS * np.nan, [1], "auto", "NaN"),
        (LOGITS[:, :, 0, 0], [1], "auto", "shape"),
        (LOGITS[:1], [1], "auto", "shape"),
        (LOGITS[:, :, :0], [1], "auto", "shape"),
        (LOGITS.astype(np.int64), [1], "auto", "whole numbers"),
    ],
)
def test_what_cannot_be_masks_is_refused_with_the_option_that_helps(output, classes, activation, words):
    with pytest.raises(DataError, match=words):
        decide_reading(output, 2, classes, activation)


def test_all_readings_of_one_network_agree():
    from_logits = read_output(LOGITS, Reading("softmax", (1, 2)))
    np.testing.assert_allclose(from_logits, SOFTMAX[:, 1] + SOFTMAX[:, 2], atol=1e-6)
    np.testing.assert_allclose(read_output(SOFTMAX, Reading("probabilities", (1, 2))), from_logits, atol=1e-6)
    two = np.stack([np.zeros_like(LOGITS[:, 0]), LOGITS[:, 0]], axis=1)
    by_softmax, by_sigmoid = (
        read_output(two, Reading("softmax", (1,))),
        read_output(LOGITS[:, :1], Reading("sigmoid", (0,))),
    )
    np.testing.assert_allclose(by_softmax, by_sigmoid, atol=1e-6)
    np.testing.assert_array_equal(read_output(LABELS, Reading("classes", (1, 2))), np.isin(LABELS, (1, 2)))


def test_huge_logits_are_certain_and_nothing_else():
    for sign, expected in ((1, 1.0), (-1, 0.0)):
        logits = np.full((1, 1, 4, 4), sign * 3e38, dtype=np.float32)
        assert (read_output(logits, Reading("sigmoid", (0,))) == expected).all()
    pair = np.float32([[[[3e38]], [[-3e38]]]])
    assert read_output(pair, Reading("softmax", (0,))) == 1
    with pytest.raises(DataError, match="NaN"):
        read_output(np.full((1, 1, 4, 4), np.nan, np.float32), Reading("sigmoid", (0,)))


@settings(max_examples=40)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 40))
def test_a_mask_has_the_size_of_its_picture_whatever_the_networks_size(height, width, size):
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    assert network_input([picture], size, "0..1").shape == (1, 3, size, size)
    assert mask_of(np.ones((size, size), np.float32), (height, width)).shape == (height, width)
    assert (mask_of(np.ones((size, size), np.float32), (height, width)) == 255).all()


@pytest.mark.parametrize(("height", "width"), [(120, 60), (60, 120), (90, 90), (91, 64)])
def test_a_picture_that_is_its_own_mask_comes_back_in_place(height, width):
    y, x = np.mgrid[:height, :width]
    disc = np.clip(20 - np.hypot(x - 0.4 * width, y - 0.6 * height), 0, 1)
    picture = np.repeat(np.rint(255 * disc)[..., None], 3, axis=2).astype(np.uint8)
    side = max(height, width)
    exact = mask_of(network_input([picture], side, "0..1")[0, 0], (height, width))
    np.testing.assert_array_equal(exact, picture[..., 0])
    coarse = mask_of(network_input([picture], side // 2, "0..1")[0, 0], (height, width))
    centres = [np.array([(mask * x).sum(), (mask * y).sum()]) / mask.sum() for mask in (coarse / 255, disc)]
    np.testing.assert_allclose(*centres, atol=0.2)
    assert coarse.mean() == pytest.approx(255 * disc.mean(), rel=0.02)


def test_the_ranges_of_the_input_are_those_of_their_names():
    picture = np.array([[[0, 0, 0], [255, 255, 255]], [[124, 116, 104], [255, 0, 0]]], dtype=np.uint8)
    unit, signed, imagenet = (network_input([picture], 2, name)[0] for name in ("0..1", "-1..1", "imagenet"))
    assert (unit.min(), unit.max()) == (0, 1)
    assert (signed.min(), signed.max()) == (-1, 1)
    np.testing.assert_allclose(imagenet[:, 1, 0], 0, atol=0.02)  # Its mean colour.
    np.testing.assert_array_equal(unit[:, 1, 1], [1, 0, 0])  # RGB.


def test_masks_of_nothing_or_everything_are_told():
    mask = np.zeros((8, 8), dtype=np.uint8)
    assert "empty" in mask_flaw(mask)
    assert "full" in mask_flaw(mask + 200)
    mask[2:5, 2:5] = 255
    assert mask_flaw(mask) is None
