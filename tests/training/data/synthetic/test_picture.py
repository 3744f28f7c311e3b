# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest
import torch

from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles
from training.data.synthetic.background import backdrop
from training.data.synthetic.identity import CLOTHES, HAIR_STYLES, identity_from_seed
from training.data.synthetic.picture import render

SIZE = 64


def camera(yaw_deg, elevation_deg=0.0):
    return camera_on_sphere(*hv_from_angles(*(torch.tensor(math.radians(a)) for a in (yaw_deg, elevation_deg))))


def asymmetry(who):
    """How far the back view is from the flipped front view, and the front view from its own flip.

    Mean absolute difference over all pixels and channels, in parts of the range, over the pixels that both pictures
    cover by more than half.
    """
    front, back = render(who, camera(0), SIZE), render(who, camera(180), SIZE)
    flipped, flipped_mask = front.image[:, ::-1].astype(float), front.mask[:, ::-1] > 127
    from_back = np.abs(back.image - flipped)[(back.mask > 127) & flipped_mask].mean() / 255
    from_itself = np.abs(front.image - flipped)[(front.mask > 127) & flipped_mask].mean() / 255
    return from_back, from_itself


def test_left_and_right_front_and_back_differ():
    values = np.array([asymmetry(identity_from_seed(2, index)) for index in range(12)])
    assert (values[:, 0] >= 0.1).sum() >= 11, values
    assert (values[:, 1] >= 0.02).all(), values


@pytest.mark.slow
def test_left_and_right_front_and_back_differ_for_nearly_everybody():
    values = np.array([asymmetry(identity_from_seed(3, index)) for index in range(100)])
    assert (values[:, 0] >= 0.1).mean() >= 0.95
    assert (values[:, 1] >= 0.02).mean() >= 0.95


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_fits_the_frame_at_its_fullest(style):
    who = identity_from_seed(0, HAIR_STYLES.index(style))
    clothes = CLOTHES[HAIR_STYLES.index(style) % len(CLOTHES)]
    who = dataclasses.replace(
        who, hair_style=style, hair_volume=1.0, hair_length=1.0, head_height=0.163, head_width=0.158, clothes=clothes
    )
    for yaw_deg in (0, 90, 180, 225, 270):
        mask = render(who, camera(yaw_deg), SIZE).mask
        assert not mask[0].any()
        assert not mask[:, 0].any()
        assert not mask[:, -1].any()
        assert 0.25 < (mask > 127).mean() < 0.75


def test_no_view_sees_where_the_bust_ends():
    for index in range(3):
        who = identity_from_seed(4, index)
        for yaw_deg in (0, 90, 180, 300):
            for elevation_deg in (-40, 0, 40):
                covered = render(who, camera(yaw_deg, elevation_deg), SIZE).mask[-1] == 255
                assert covered.sum() > SIZE / 4


def test_the_same_picture_comes_out_again_on_any_number_of_threads():
    who, view = identity_from_seed(0, 3), camera(30)
    first = render(who, view, SIZE)
    torch.set_num_threads(2)
    try:
        again = render(who, view, SIZE)
    finally:
        torch.set_num_threads(1)
    difference = np.abs(first.image.astype(int) - again.image)
    assert (difference.max(-1) > 1).mean() <= 1e-3
    np.testing.assert_allclose(first.depth, again.depth, atol=1e-5)


def test_the_background_shows_only_where_the_head_is_not():
    who, view = identity_from_seed(0, 5), camera(-50)
    on_one, on_other = (render(who, view, SIZE, background=backdrop(0, index)) for index in (0, 1))
    covered = on_one.mask == 255
    np.testing.assert_array_equal(on_one.mask, on_other.mask)
    np.testing.assert_array_equal(on_one.depth, on_other.depth)
    np.testing.assert_array_equal(on_one.image[covered], on_other.image[covered])
    assert np.abs(on_one.image.astype(int) - on_other.image)[on_one.mask == 0].mean() > 5


def test_a_smile_is_seen_from_the_front_only():
    who = dataclasses.replace(identity_from_seed(0, 4), hair_style="short", clothes="crew")
    change = {}
    for yaw_deg in (0, 180):
        earnest, happy = (render(who, camera(yaw_deg), SIZE, smile=smile).image.astype(float) for smile in (0.0, 1.0))
        change[yaw_deg] = np.abs(earnest - happy).mean()
    assert change[0] > 0.3
    assert change[180] < 0.02


def test_the_key_light_makes_its_side_brighter():
    who = dataclasses.replace(identity_from_seed(0, 2), hair_style="bald", hair_volume=0.0, glasses="none")
    for azimuth_rad in (-0.8, 0.8):
        image = render(dataclasses.replace(who, key_azimuth_rad=azimuth_rad), camera(0), SIZE).image
        left, right = image[20:32, 16:30].mean(), image[20:32, 34:48].mean()
        assert (right > left) == (azimuth_rad > 0)
