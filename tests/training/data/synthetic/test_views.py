# SPDX-License-Identifier: Apache-2.0
"""Views have the distribution that the settings state, and labels are off by what is recorded and by nothing else."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dnnlib.config import ConfigError, from_json, from_tree, to_json
from training.camera_checks import check_labels
from training.camera_rays import project
from training.cameras import HEAD_RADIUS, label_from_camera, view_angles
from training.data.synthetic.settings import FrontHeavy, SyntheticSettings, identity_index
from training.data.synthetic.views import cropped, views

MANY = torch.arange(20_000)
NOISY = SyntheticSettings(cameras=FrontHeavy(back_share=0.4), drift=0.1, jitter=0.1)


def azimuth_deg(settings, indices=MANY):
    return view_angles(views(settings, indices).label).azimuth_rad.rad2deg()


def test_uniform_cameras_stand_all_around_and_level_on_average():
    angles = view_angles(views(SyntheticSettings(elevation_std_deg=15.0), MANY).label)
    assert stats.kstest(angles.azimuth_rad.numpy(), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
    assert stats.kstest(angles.elevation_rad.rad2deg().numpy(), stats.norm(0, 15).cdf).pvalue > 1e-3
    assert abs(stats.pearsonr(angles.azimuth_rad, angles.elevation_rad).statistic) < 0.03
    assert angles.roll_rad.abs().max() < 1e-9


def test_front_heavy_cameras_have_the_stated_spread_and_share_of_backs():
    degrees = azimuth_deg(SyntheticSettings(cameras=FrontHeavy(azimuth_std_deg=17.0, back_share=0.25)))
    front, back = degrees[degrees.abs() <= 90], degrees[degrees.abs() > 90]
    assert len(back) / len(degrees) == pytest.approx(0.25, abs=0.01)
    assert stats.kstest(front.numpy(), stats.norm(0, 17).cdf).pvalue > 1e-3
    assert stats.kstest((back % 360).numpy(), stats.uniform(90, 180).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 20_000)])
def test_a_share_of_backs_may_be_nothing_or_all(share, expected):
    assert views(SyntheticSettings(cameras=FrontHeavy(back_share=share)), MANY).is_back.sum() == expected


def test_labels_look_at_the_origin_from_the_usual_distance_and_pass_the_check():
    label = views(NOISY, MANY).label
    torch.testing.assert_close(label.position, -HEAD_RADIUS * label.forward, atol=1e-9, rtol=0)
    check_labels(label_from_camera(label))
    check_labels(label_from_camera(views(NOISY, MANY).true))


def test_the_true_camera_is_the_label_where_no_noise_is_asked_for():
    plain = views(SyntheticSettings(), MANY)
    torch.testing.assert_close(label_from_camera(plain.true), label_from_camera(plain.label), atol=0, rtol=0)


def test_drift_moves_the_cameras_of_back_views_by_what_is_recorded_and_turns_none():
    seen = views(NOISY, MANY)
    moved = seen.true.T_world_cam - seen.label.T_world_cam
    torch.testing.assert_close(moved[:, :3, 3], seen.drift_world, atol=1e-12, rtol=0)
    assert moved[:, :3, :3].abs().max() == 0
    torch.testing.assert_close(seen.is_back, seen.label.position[:, 2] < 0)
    size = seen.drift_world.norm(dim=-1)
    assert torch.equal(size > 0, seen.is_back)
    law = stats.uniform(0, 0.1**3)  # Even over a ball: the volume within a radius is uniform.
    assert stats.kstest((size[seen.is_back] ** 3).numpy(), law.cdf).pvalue > 1e-3
    direction = seen.drift_world[seen.is_back] / size[seen.is_back, None]
    for coordinate in direction.T:  # Archimedes.
        assert stats.kstest(coordinate.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_jitter_scales_the_picture_about_its_middle_and_shifts_it():
    seen = views(NOISY.model_copy(update={"drift": 0.0}), MANY[:500])
    points = torch.rand(500, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.4 - 0.2
    says, is_at = project(seen.label, points)[0], project(seen.true, points)[0]
    expected = 0.5 + seen.crop_scale[:, None, None] * (says - 0.5) + seen.crop_shift[:, None]
    torch.testing.assert_close(is_at, expected, atol=1e-12, rtol=0)
    assert seen.crop_shift.abs().max() <= 0.1
    assert seen.crop_scale.min() >= 1 / 1.1
    assert seen.crop_scale.max() <= 1.1
    assert not torch.equal(seen.crop_shift[:, 0], seen.crop_shift[:, 1])


def test_a_crop_of_nothing_changes_nothing():
    label = views(NOISY, MANY[:5]).label
    same = cropped(label, torch.zeros(5, 2, dtype=torch.float64), torch.ones(5, dtype=torch.float64))
    assert torch.equal(label_from_camera(same), label_from_camera(label))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=9), st.integers(0, 2**62))
def test_a_view_depends_on_seed_and_index_alone(indices, seed):
    settings = NOISY.model_copy(update={"seed": seed})
    together = views(settings, torch.tensor(indices))
    for position, index in enumerate(indices):
        alone = views(settings, torch.tensor([index]))
        assert torch.equal(label_from_camera(alone.true)[0], label_from_camera(together.true)[position])
        assert torch.equal(alone.drift_world[0], together.drift_world[position])


def test_noise_and_smiles_leave_the_label_cameras_as_they_are():
    plain = SyntheticSettings(cameras=FrontHeavy(back_share=0.4))
    assert torch.equal(azimuth_deg(NOISY), azimuth_deg(plain))
    assert not torch.equal(azimuth_deg(plain), azimuth_deg(plain.model_copy(update={"seed": 1})))


def test_views_of_an_identity_lie_together_and_a_limited_cast_returns():
    assert [identity_index(SyntheticSettings(views_per_identity=3), i) for i in range(7)] == [0, 0, 0, 1, 1, 1, 2]
    cast = SyntheticSettings(views_per_identity=2, num_identities=2, first_identity=10)
    assert [identity_index(cast, i) for i in range(9)] == [10, 10, 11, 11, 10, 10, 11, 11, 10]


def test_settings_survive_json_and_refuse_what_is_not_one():
    assert from_json(SyntheticSettings, to_json(NOISY)) == NOISY
    with pytest.raises(ConfigError, match="resolution: got 48"):
        from_tree(SyntheticSettings, {"resolution": 48})
    with pytest.raises(ConfigError, match="drift"):
        from_tree(SyntheticSettings, {"drift": 1.0})
