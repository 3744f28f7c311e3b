# SPDX-License-Identifier: Apache-2.0
"""Looking at a generator changes nothing, and shows what the generator shows."""

import math

import torch

from tests.training.small import labels, small_generator
from torch_utils import rng
from training.cameras import camera_from_label, view_angles
from training.watch.views import AZIMUTHS_DEG, BACK, FRONT, Rig, render_views, rig_of


def test_views_are_what_the_generator_gives_for_those_codes_and_cameras() -> None:
    G = small_generator()
    rig = rig_of(G, labels(0.0, 1.0))
    views = render_views(G, rig, seed=3, raw_resolution=8, num_latents=2)
    z = rng.normal(3, "watched latents", torch.arange(2), (G.z_dim,))
    front, back = rig.labels((0,)), rig.labels((180,))
    ws = G.mapping(z, front.expand(2, -1))
    for c, column in ((front, FRONT), (back, BACK)):
        out = G.synthesis(ws, c.expand(2, -1))
        assert torch.allclose(views.image[:, column], out["image"], atol=1e-5)
        assert torch.allclose(views.depth[:, column], out["image_depth"], atol=1e-5)
    assert views.image.shape == (2, len(AZIMUTHS_DEG), 3, 32, 32)
    assert views.raw.shape[-1] == views.mask.shape[-1] == 8
    assert 0 <= views.mask.min() <= views.mask.max() <= 1


def test_looking_changes_neither_weights_nor_random_numbers() -> None:
    G = small_generator()
    before = {name: x.clone() for name, x in G.state_dict().items()}
    state = torch.get_rng_state()
    first = render_views(G, rig_of(G, labels(0.0)), seed=0, raw_resolution=8, num_latents=1)
    again = render_views(G, rig_of(G, labels(0.0)), seed=0, raw_resolution=8, num_latents=1)
    assert torch.equal(first.image, again.image)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], x) for name, x in G.state_dict().items())
    assert not any(x.requires_grad for x in (first.image, first.depth))


def test_cameras_stand_where_their_columns_say_with_the_lens_of_the_data() -> None:
    c = labels(0.3, -2.0, 1.0)
    c[:, 16] = c[:, 20] = 3.5
    c[1] = math.nan
    rig = rig_of(small_generator(), c)
    assert rig == Rig(2.7, 3.5, (0.0, 0.0, 0.0))
    angles = view_angles(camera_from_label(rig.labels(AZIMUTHS_DEG).double()))
    shown = angles.azimuth_rad.rad2deg()
    assert torch.allclose(
        torch.remainder(shown - torch.tensor(AZIMUTHS_DEG) + 180, 360), torch.tensor(180.0).double(), atol=1e-3
    )
    assert angles.elevation_rad.abs().max() < 1e-5
