# SPDX-License-Identifier: Apache-2.0
"""Random cameras have the distribution they promise; paths close and pass where they should."""

import math

import pytest
import torch
from scipy import stats

from training.camera_paths import camera_on_sphere, front_sway, full_turn, orbit_phases, sample_hv
from training.cameras import label_from_camera, view_angles


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["gaussian", "uniform"])
def test_angles_have_the_promised_distribution(kind):
    h_rad, v_rad = sample_hv(20_000, h_mean_rad=1.0, h_std_rad=0.3, v_std_rad=0.1, kind=kind, generator=generator())
    law = stats.norm(0, 1) if kind == "gaussian" else stats.uniform(-1, 2)
    assert stats.kstest((h_rad.numpy() - 1.0) / 0.3, law.cdf).pvalue > 1e-3
    assert stats.kstest((v_rad.numpy() - math.pi / 2) / 0.1, law.cdf).pvalue > 1e-3
    assert abs(stats.pearsonr(h_rad, v_rad).statistic) < 0.03


def test_all_h_are_drawn_before_all_v():
    h_rad, v_rad = sample_hv(5, h_std_rad=0.3, v_std_rad=0.2, generator=generator(7))
    same = generator(7)
    torch.testing.assert_close(h_rad, math.pi / 2 + 0.3 * torch.randn(5, 1, generator=same)[:, 0])
    torch.testing.assert_close(v_rad, math.pi / 2 + 0.2 * torch.randn(5, 1, generator=same)[:, 0])


def test_without_spread_every_camera_is_the_mean():
    labels = label_from_camera(camera_on_sphere(*sample_hv(3, generator=generator())))
    torch.testing.assert_close(labels, labels[:1].expand(3, 25), atol=0, rtol=0)


def test_uniform_v_covers_the_sphere_evenly():
    spread = {"h_std_rad": math.pi, "v_std_rad": math.pi / 2}
    cameras = camera_on_sphere(*sample_hv(20_000, **spread, kind="uniform", generator=generator()), radius=1.0)
    for heights in cameras.position.T:  # On a sphere, each coordinate is uniform (Archimedes).
        assert stats.kstest(heights.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_an_unknown_distribution_is_refused():
    with pytest.raises((ValueError, TypeError), match="cauchy"):
        sample_hv(1, kind="cauchy", generator=generator())


@pytest.mark.parametrize("path", [full_turn, front_sway])
@pytest.mark.parametrize("num_frames", [1, 7, 240])
def test_the_frame_after_the_last_is_the_first(path, num_frames):
    phases = orbit_phases(num_frames)
    after_last = phases[-1:] + 2 * math.pi / num_frames
    first, closing = (label_from_camera(camera_on_sphere(*path(phase))) for phase in (phases[:1], after_last))
    torch.testing.assert_close(first, closing, atol=1e-12, rtol=0)


def test_a_full_turn_takes_equal_steps_through_every_side():
    angles = view_angles(camera_on_sphere(*full_turn(orbit_phases(8))))
    expected = torch.arange(8, dtype=torch.float64) * math.pi / 4
    difference = torch.remainder(angles.azimuth_rad - expected + 1, 2 * math.pi) - 1
    torch.testing.assert_close(difference, torch.zeros(8, dtype=torch.float64), atol=1e-12, rtol=0)


def test_paths_pass_through_their_published_places():
    phases = torch.tensor([0, math.pi / 2], dtype=torch.float64)
    v_mean = math.pi / 2 - 0.05
    h_rad, v_rad = full_turn(phases)
    assert h_rad.tolist() == pytest.approx([math.pi / 2, math.pi])
    assert v_rad.tolist() == pytest.approx([v_mean, v_mean + 0.5])
    h_rad, v_rad = front_sway(phases)
    assert h_rad.tolist() == pytest.approx([math.pi / 2, math.pi / 2 + 1.5])
    assert v_rad.tolist() == pytest.approx([v_mean + 0.25, v_mean])


def test_a_path_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        orbit_phases(0)
