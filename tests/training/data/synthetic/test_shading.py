# SPDX-License-Identifier: Apache-2.0
import dataclasses

import torch

from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.paint import Surface
from training.data.synthetic.shading import SHOULDER, display, encode, lights, shade

WHO = identity_from_seed(0, 0)


def lit(num=1, **changes):
    """Light towards a camera in front, of white matt plastic that faces it."""
    surface = Surface.plain(num)
    surface.albedo[:] = 0.5
    surface = dataclasses.replace(surface, **changes.pop("surface", {}))
    forwards = torch.tensor([[0.0, 0.0, 1.0]]).expand(num, 3)
    values = {"normals": forwards, "to_eye": forwards, "openness": torch.ones(num), "key_share": torch.ones(num)}
    return shade(surface, **(values | changes), studio=lights(WHO))


def test_display_keeps_what_is_dark_and_bends_what_is_bright():
    light = torch.linspace(0, 6, 500)
    shown = display(light)
    assert (shown.diff() >= 0).all()
    assert shown.max() <= 1
    torch.testing.assert_close(shown[light < SHOULDER], light[light < SHOULDER])
    near = torch.tensor([SHOULDER - 1e-4, SHOULDER + 1e-4])
    assert display(near).diff().item() > 1.5e-4  # no kink


def test_encoding_is_that_of_srgb():
    torch.testing.assert_close(
        encode(torch.tensor([0.0, 0.0031308, 0.2140411, 1.0])), torch.tensor([0.0, 0.0404499, 0.5, 1.0])
    )


def test_shadow_and_crevices_darken():
    open_light = lit()
    assert (lit(key_share=torch.zeros(1)) < open_light).all()
    assert (lit(openness=torch.full((1,), 0.3)) < open_light).all()
    assert (lit(openness=torch.zeros(1), key_share=torch.zeros(1)) >= 0).all()


def test_skin_lets_light_creep_around_in_red():
    away = -lights(WHO).key.to_lamp[None]
    facing = torch.nn.functional.normalize(away + torch.tensor([[0.0, 3.0, 0.0]]), dim=-1)
    side = torch.nn.functional.normalize(facing - (facing @ -away.T) * -away, dim=-1)  # at right angles to the key
    wrapped = lit(normals=side, surface={"wrap": torch.tensor([[0.3, 0.1, 0.1]])})
    plain = lit(normals=side, surface={"wrap": torch.tensor([[0.1, 0.1, 0.1]])})
    assert wrapped[0, 0] > plain[0, 0]
    torch.testing.assert_close(wrapped[0, 1:], plain[0, 1:])


def test_gloss_is_brightest_towards_the_mirrored_lamp():
    to_key = lights(WHO).key.to_lamp
    mirrored = torch.tensor([[-1.0, -1.0, 1.0]]) * to_key  # by the plane that looks forwards
    shiny = {"roughness": torch.full((1,), 0.2)}
    assert lit(to_eye=mirrored, surface=shiny).sum() > lit(surface=shiny).sum() + 0.1


def test_key_and_rim_stand_on_opposite_sides_before_and_behind():
    for index in range(20):
        studio = lights(identity_from_seed(1, index))
        assert studio.key.to_lamp[2] > 0 > studio.rim.to_lamp[2]
        assert studio.key.to_lamp[0] * studio.rim.to_lamp[0] < 0
