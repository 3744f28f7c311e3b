# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.data.making.resample import (
    Window,
    center_crop,
    center_crop_wide,
    have_one_shape,
    is_power_of_two,
    label_in_window,
    largest_power_of_two,
    resample_image,
    resample_mask,
    whole,
)


def soft_disc(height: int, width: int, radius: float, soft: float = 1.5) -> np.ndarray:
    ys, xs = np.mgrid[:height, :width] + 0.5
    distance = np.hypot(ys - height / 2, xs - width / 2) - radius
    return np.rint(255 * np.clip(0.5 - distance / soft, 0, 1)).astype(np.uint8)


def project(label: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Where a world point is seen, from 0 to 1 over the width and the height. Written out, to compare with."""
    numbers = np.asarray(label, dtype=np.float64)
    T, K = numbers[:16].reshape(4, 4), numbers[16:].reshape(3, 3)
    in_camera = np.linalg.inv(T) @ [*point, 1]
    u, v, w = K @ in_camera[:3]
    return np.array([u / w, v / w])


@pytest.mark.parametrize("window_of", [center_crop, center_crop_wide])
@pytest.mark.parametrize(("width", "height"), [(600, 400), (401, 600), (512, 512), (333, 1000)])
def test_a_point_is_seen_in_the_crop_where_the_crop_took_it(window_of, width: int, height: int) -> None:
    camera = camera_on_sphere(torch.tensor(0.4), torch.tensor(1.4))
    label = label_from_camera(camera).double().numpy()
    label[16:] = [2.0, 0.01, 0.47, 0, 3.1, 0.55, 0, 0, 1]
    window = window_of(width, height)
    cropped = label_in_window(label, window, width, height)
    rng = np.random.default_rng(0)
    for point in rng.uniform(-0.3, 0.3, (20, 3)):
        x, y = project(label, point) * [width, height]
        expected = np.array([x - window.left, y - window.top]) / window.side
        np.testing.assert_allclose(project(cropped, point), expected, atol=1e-5)


def test_a_pixel_and_its_camera_move_together() -> None:
    """A bright dot is painted where a point is projected, and found in the crop where the new label projects it."""
    label = label_from_camera(camera_on_sphere(torch.tensor(0.3), torch.tensor(1.6))).double().numpy()
    width, height, point = 300, 200, np.array([0.05, -0.04, 0.1])
    label[16], label[20] = 3.0, 4.5
    x, y = project(label, point) * [width, height]
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 255
    for window_of in (center_crop, center_crop_wide):
        window = window_of(width, height)
        small = resample_image(pixels, window, 128)[:, :, 0].astype(float)
        ys, xs = np.mgrid[:128, :128] + 0.5
        seen = np.array([(small * xs).sum(), (small * ys).sum()]) / small.sum() / 128
        expected = project(label_in_window(label, window, width, height), point)
        np.testing.assert_allclose(seen, expected, atol=1 / 128)


def test_the_label_of_a_whole_picture_stays_bit_by_bit() -> None:
    label = label_from_camera(camera_on_sphere(torch.tensor(1.3), torch.tensor(1.8))).float().numpy()
    np.testing.assert_array_equal(label_in_window(label, whole(563, 563), 563, 563), label)


def test_what_is_not_square_needs_a_transform() -> None:
    with pytest.raises(ValueError, match=r"600 x 400, not square; .*center-crop"):
        whole(600, 400)


def test_windows_are_central() -> None:
    assert center_crop(600, 400) == Window(100, 0, 400)
    assert center_crop(400, 600) == Window(0, 100, 400)
    assert center_crop_wide(600, 400) == Window(0, -100, 600)
    assert center_crop_wide(400, 600) == Window(0, 100, 400)


def test_beyond_the_source_it_is_black_and_empty() -> None:
    pixels, mask = np.full((40, 60, 3), 200, np.uint8), np.full((40, 60), 255, np.uint8)
    window = center_crop_wide(60, 40)
    image, small = resample_image(pixels, window, 60), resample_mask(mask, window, 60)
    assert (image[:10] == 0).all()
    assert (image[50:] == 0).all()
    assert (image[10:50] == 200).all()
    np.testing.assert_array_equal(small, image[:, :, 0] // 200 * 255)


@settings(max_examples=60)
@given(st.integers(8, 70), st.integers(1, 70), st.integers(0, 2**31))
def test_shrunk_masks_keep_coverage_exactly(side: int, resolution: int, seed: int) -> None:
    resolution = min(resolution, side)
    mask = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    small = resample_mask(mask, whole(side, side), resolution)
    # Before rounding to 8 bits, that is; rounding errors of n pixels have a mean of about 0.3 / sqrt(n).
    assert abs(small.mean() - mask.mean()) <= 0.5
    if side % resolution == 0:
        step = side // resolution
        blocks = mask.reshape(resolution, step, resolution, step).mean(axis=(1, 3))
        assert np.abs(small - blocks).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("side", "resolution"), [(563, 512), (563, 256), (1024, 512), (1000, 64), (300, 256)])
def test_soft_masks_keep_their_coverage_to_a_thousandth(side: int, resolution: int) -> None:
    mask = soft_disc(side, side, side * 0.3)
    small = resample_mask(mask, whole(side, side), resolution)
    assert abs(small.mean() - mask.mean()) < 0.5
    # No ripple: what is far inside is 255, what is far outside is 0.
    inside = soft_disc(resolution, resolution, resolution * 0.3 - 4, soft=0.01) == 255
    outside = soft_disc(resolution, resolution, resolution * 0.3 + 4, soft=0.01) == 0
    assert (small[inside] == 255).all()
    assert (small[outside] == 0).all()
    # And monotone along a ray from the middle.
    ray = small[resolution // 2, resolution // 2 :].astype(int)
    assert (np.diff(ray) <= 0).all()


@pytest.mark.parametrize("resolution", [128, 200, 512])
def test_enlarged_masks_stay_in_range_without_ripple(resolution: int) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[20:44, 20:44] = 200
    large = resample_mask(mask, whole(64, 64), resolution)
    assert large.max() == 200
    assert large.min() == 0
    assert abs(large.mean() - mask.mean()) < 0.5


def test_a_checkerboard_shrinks_to_grey() -> None:
    """Without a filter as wide as the step, it would become stripes, black or white."""
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    pixels = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    small = resample_image(pixels, whole(256, 256), 64)
    assert np.abs(small[4:-4, 4:-4].astype(int) - 127.5).max() <= 2


def test_a_mask_lies_where_its_image_lies() -> None:
    disc = soft_disc(300, 300, 80)
    image = np.repeat(disc[:, :, None], 3, axis=2)
    for resolution in (64, 128, 512):
        small, mask = (
            resample_image(image, whole(300, 300), resolution)[:, :, 0],
            resample_mask(disc, whole(300, 300), resolution),
        )
        xs = np.arange(resolution)
        for axis in (0, 1):
            a, b = (array.astype(float).sum(axis=axis) for array in (small, mask))
            assert math.isclose((a * xs).sum() / a.sum(), (b * xs).sum() / b.sum(), abs_tol=0.02)


def test_transparency_is_resized_like_a_mask_and_colours_beside_it() -> None:
    pixels = np.dstack([np.full((64, 64, 3), 90, np.uint8), soft_disc(64, 64, 20)])
    small = resample_image(pixels, whole(64, 64), 32)
    assert (small[:, :, :3] == 90).all()
    np.testing.assert_array_equal(small[:, :, 3], resample_mask(pixels[:, :, 3], whole(64, 64), 32))


def test_powers_of_two() -> None:
    assert [largest_power_of_two(n) for n in (1, 2, 3, 4, 563, 1023, 1024)] == [1, 2, 2, 4, 512, 512, 1024]
    assert [n for n in range(20) if is_power_of_two(n)] == [1, 2, 4, 8, 16]


def test_a_coarser_mask_has_the_shape_of_its_image() -> None:
    assert have_one_shape((100, 150), (200, 300))
    assert have_one_shape((67, 100), (200, 300))
    assert not have_one_shape((300, 200), (200, 300))
    assert not have_one_shape((100, 100), (200, 300))
    assert not have_one_shape((70, 100), (200, 300))
