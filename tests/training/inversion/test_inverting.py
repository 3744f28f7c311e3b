# SPDX-License-Identifier: Apache-2.0
"""What an inversion finds, of pictures whose head and cameras are known."""

import dataclasses
import threading
from pathlib import Path

import pytest
import torch

from tests.training.inversion.solid import head, solid_generator, target, view
from training.cameras import camera_from_label, view_angles
from training.generator import Generator
from training.inversion.inverting import Inversion, invert
from training.inversion.likeness import edges, psnr_db
from training.inversion.rendering import pictures_of, render
from training.inversion.settings import Settings
from training.inversion.targets import Targets
from training.portraits.latents import Latent

SLOW = pytest.mark.slow
SHORT = Settings(num_steps=120, num_tuning_steps=20)


def inverted(
    G: Generator, targets: Targets, folder: Path, settings: Settings, start: Latent | None = None
) -> Inversion:
    found = invert(G, targets, settings, edges(), folder, threading.Event(), start)
    assert found is not None
    return found


def mean_of(found: Inversion) -> Latent:
    return Latent(found.mean.w.expand_as(found.latent.ws))


def psnr_at(G: Generator, latent: Latent, truth: torch.Tensor, label: torch.Tensor) -> float:
    with torch.no_grad():
        return psnr_db(render(G, latent, (0,), label)["image"], truth).item()


@pytest.mark.parametrize(
    ("seed", "settings"), [(1, SHORT), pytest.param(2, Settings(num_steps=300, num_tuning_steps=150), marks=SLOW)]
)
def test_a_known_head_is_found_and_looks_right_from_other_sides(seed: int, settings: Settings, tmp_path: Path) -> None:
    G = solid_generator()
    truth = head(G, seed)
    found = inverted(G, target(G, truth, 20), tmp_path, settings)
    assert psnr_at(found.tuned, found.latent, target(G, truth, 20).images, view(G, 20)) >= 30
    for yaw in (-40, -10, 50, 80):  # 30 and 60 degrees away.
        there = target(G, truth, yaw)
        gained = psnr_at(found.tuned, found.latent, there.images, there.labels)
        assert gained >= 2 + psnr_at(G, mean_of(found), there.images, there.labels), yaw


@pytest.mark.slow
@pytest.mark.parametrize("off_deg", [10, -10])
def test_a_camera_that_is_ten_degrees_off_is_put_right(off_deg: float, tmp_path: Path) -> None:
    G = solid_generator()
    targets = target(G, head(G), 20).seen_by(view(G, 20 + off_deg))
    settings = dataclasses.replace(SHORT, num_steps=150, num_tuning_steps=0, refine_camera=True)
    found = inverted(G, targets, tmp_path, settings)
    assert found.tuned is G
    angles = view_angles(camera_from_label(found.latent.labels))
    assert angles.azimuth_rad.rad2deg().item() == pytest.approx(20, abs=2)
    assert angles.elevation_rad.rad2deg().item() == pytest.approx(0, abs=2)


@SLOW
def test_several_pictures_of_one_head_are_met_together(tmp_path: Path) -> None:
    G = solid_generator()
    targets = target(G, head(G), -60, 0, 60)
    found = inverted(G, targets, tmp_path, dataclasses.replace(SHORT, num_tuning_steps=0, views_per_step=2))
    assert len(found.latent.ws) == 1
    assert psnr_db(pictures_of(G, found.latent, targets), targets.images).min() >= 30


@SLOW
def test_heads_of_different_people_are_sought_together(tmp_path: Path) -> None:
    G = solid_generator()
    one, other = target(G, head(G, 1), 0), target(G, head(G, 2), 30)
    both = Targets(
        ("a", "b"), (0, 1), torch.cat([one.images, other.images]), None, torch.cat([one.labels, other.labels])
    )
    found = inverted(G, both, tmp_path, Settings(num_steps=200, num_tuning_steps=4))
    assert found.latent.ws.shape[0] == 2
    assert psnr_db(pictures_of(found.tuned, found.latent, both), both.images).min() >= 25


@pytest.mark.parametrize("space", ["z", "w+"])
def test_the_other_spaces_are_searched_too(space: str, tmp_path: Path) -> None:
    G = solid_generator()
    targets = target(G, head(G), 0)
    found = inverted(G, targets, tmp_path, dataclasses.replace(SHORT, space=space, num_steps=30, num_tuning_steps=0))
    before = psnr_at(G, mean_of(found), targets.images, targets.labels)
    assert psnr_at(G, found.latent, targets.images, targets.labels) > before + 3
    same_for_all = torch.equal(found.latent.ws, found.latent.ws[:, :1].expand_as(found.latent.ws))
    assert same_for_all == (space == "z")


def test_styles_found_before_are_only_tuned_around(tmp_path: Path) -> None:
    G = solid_generator()
    targets, start = target(G, head(G), 0), head(G, 2)
    found = inverted(G, targets, tmp_path, dataclasses.replace(SHORT, num_tuning_steps=10), start)
    assert torch.equal(found.latent.ws, start.ws)
    assert list(found.course.losses) == ["tuning"]
    after = psnr_at(found.tuned, found.latent, targets.images, targets.labels)
    assert after > psnr_at(G, start, targets.images, targets.labels)


@SLOW
def test_a_mask_gives_the_head_what_is_inside_and_the_background_what_is_outside(tmp_path: Path) -> None:
    """The outside of the target is another head's: the background takes its look, the head stays what it was."""
    G = solid_generator(background=True)
    truth, other = head(G, 2), head(G, 3)
    c = view(G, 0)
    with torch.no_grad():
        shown, strange = (
            render(G, truth, (0,), c),
            render(G, dataclasses.replace(truth, ws_background=other.ws), (0,), c),
        )
    mask = torch.nn.functional.interpolate(shown["image_mask"].clamp(0, 1), size=32)
    targets = Targets(("x",), (0,), strange["image"], mask, c)
    found = inverted(G, targets, tmp_path, dataclasses.replace(SHORT, num_tuning_steps=4))
    assert found.latent.ws_background is not None
    assert not torch.allclose(found.latent.ws_background, found.latent.ws)
    picture = pictures_of(G, found.latent, targets)
    assert psnr_db(picture, targets.images, mask).item() >= 25
    assert psnr_db(picture, targets.images, 1 - mask).item() >= 15


@SLOW
def test_keeping_unseen_views_keeps_them_closer_to_the_untuned_generator(tmp_path: Path) -> None:
    """The target is what the generator cannot show, so that tuning has to bend it."""
    G = solid_generator()
    start = head(G)
    targets = dataclasses.replace(target(G, start, 0), images=target(G, head(G, 3), 0).images)
    back = view(G, 180)
    moved = {}
    for keep in (0.0, 5.0):
        (tmp_path / str(keep)).mkdir()
        settings = dataclasses.replace(SHORT, keep=keep, tuning_rate=1e-3, num_tuning_steps=60)
        found = inverted(G, targets, tmp_path / str(keep), settings, start)
        moved[keep] = psnr_at(found.tuned, start, target(G, start, 180).images, back)
        before = psnr_at(G, start, targets.images, targets.labels)
        assert psnr_at(found.tuned, start, targets.images, targets.labels) > before + 1
    assert moved[5.0] > moved[0.0] + 3
