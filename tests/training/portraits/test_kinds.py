# SPDX-License-Identifier: Apache-2.0
"""Kinds of pictures: each shows what it says, all have one size."""

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.generator import Generator
from training.pixels import colours
from training.portraits.kinds import KINDS, _nearness, parse_kinds, show
from training.portraits.sitter import Sitter, seat

VIEWS = labels(0.0, 1.2, 3.0)


@pytest.fixture(scope="module", name="G")
def small() -> Generator:
    return small_generator()


@pytest.fixture(scope="module")
def sitter(G: Generator) -> Sitter:
    return seat(G, G.mapping(codes(1), labels(0.0)).detach())


def shown(G: Generator, sitter: Sitter, *kinds: str, together: int = 4) -> dict[str, UInt8[np.ndarray, "v h w c"]]:
    parts = list(show(G, sitter, VIEWS, kinds, together=together))
    return {kind: np.concatenate([part[kind] for part in parts]) for kind in kinds}


def test_all_kinds_have_the_size_of_the_picture(G: Generator, sitter: Sitter) -> None:
    pictures = shown(G, sitter, *KINDS)
    for kind, views in pictures.items():
        assert views.shape == (3, 32, 32, 4 if kind == "foreground" else 3), kind
        assert views.dtype == np.uint8


def test_kinds_come_in_the_order_asked_for_and_views_in_parts(G: Generator, sitter: Sitter) -> None:
    parts = list(show(G, sitter, VIEWS, ("mask", "image"), together=2))
    assert [list(part) for part in parts] == [["mask", "image"]] * 2
    assert [len(part["mask"]) for part in parts] == [2, 1]


@torch.no_grad()
def test_the_image_is_the_picture_of_the_generator(G: Generator, sitter: Sitter) -> None:
    wanted = colours(G.synthesis(sitter.ws.expand(3, -1, -1), VIEWS)["image"])
    assert np.abs(shown(G, sitter, "image")["image"].astype(int) - wanted).max() <= 1


def test_the_background_is_the_same_from_everywhere_and_what_is_seen_where_no_head_is(
    G: Generator, sitter: Sitter
) -> None:
    pictures = shown(G, sitter, "image", "background", "mask")
    assert (pictures["background"] == pictures["background"][:1]).all()
    hollow = small_generator()
    hollow.field.decoder.out.bias.data[0] = -1000.0  # The density: nothing is there.
    seen = shown(hollow, seat(hollow, sitter.ws), "image", "background")
    assert np.abs(seen["image"].astype(int) - seen["background"]).max() <= 1
    assert np.abs(pictures["image"].astype(int) - pictures["background"]).max() > 1


def test_what_is_nearer_is_brighter_by_a_scale_that_no_view_changes() -> None:
    G = small_generator()
    depth = torch.linspace(2.2, 3.2, 11).expand(2, 1, 1, 11)
    near, far = _nearness(G, depth, torch.cat([VIEWS[:1], VIEWS[:1]]))[:, 0, 0]
    assert torch.equal(near, far)
    assert (near.diff() <= 0).all()
    assert near[0] == 1
    assert near[-1] == pytest.approx(0.15)
    further = VIEWS[:1].clone()
    further[:, [3, 7, 11]] *= 1.1
    assert torch.allclose(_nearness(G, depth[:1] + 0.27, further)[0, 0, 0], near, atol=1e-5)


def test_what_a_model_cannot_show_is_refused_before_work() -> None:
    G = small_generator(replace(CONFIG, **{"background": False}))
    sitter = seat(G, G.mapping(codes(1), labels(0.0)).detach())
    assert shown(G, sitter, "image", "depth")["depth"].shape == (3, 32, 32, 3)
    for kind in ("background", "foreground"):
        with pytest.raises(ValueError, match=f"no '{kind}'"):
            next(show(G, sitter, VIEWS, ("image", kind)))


def test_kinds_are_typed_with_commas() -> None:
    assert parse_kinds("image, depth") == ("image", "depth")


@pytest.mark.parametrize(
    ("text", "words"), [("foregrund", "did you mean 'foreground'"), ("", "some of image,raw"), ("raw,raw", "twice")]
)
def test_what_is_no_kind_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_kinds(text)
