# SPDX-License-Identifier: Apache-2.0
"""What of a head is shown: `show` turns views into 8-bit pictures of the kinds that are asked for.

    image       the picture
    raw         the picture as rendered, before super-resolution
    depth       near is bright; one scale for all heads and views, so that a video does not flicker
    mask        the opacity of the head
    background  what is behind, the head removed
    foreground  the head cut out: RGBA, colours free of the background

All are of the size of the picture, so that they can stand side by side.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from dnnlib.text import nearest
from training.cameras import camera_from_label
from training.generator import Generator
from training.networks.superresolution import resize
from training.pixels import colours, shades
from training.portraits.backdrops import Ground, put_before
from training.portraits.cutout import backdrop_alone, cut_out, studio
from training.portraits.sitter import Sitter, develop, exposures, views_at_once

KINDS = ("image", "raw", "depth", "mask", "background", "foreground")
NEED_BACKGROUND = ("background", "foreground")

_DARKEST = 0.15  # Of what is seen, so that it is told from where nothing is, which is black.
_HEIGHTS = (-0.15, 0.45)  # Darkest and brightest, in sides of the box: from behind its middle to the tip of a nose.

Pictures = dict[str, UInt8[np.ndarray, "views height width channels"]]


def parse_kinds(text: str) -> tuple[str, ...]:
    """`image,depth` as kinds, in the order typed."""
    kinds = tuple(word.strip() for word in text.split(","))
    for kind in kinds:
        if kind not in KINDS:
            close = nearest(kind, KINDS)
            hint = f"did you mean {close!r}?" if close else f"write some of {','.join(KINDS)}"
            raise ValueError(f"{kind!r} is no kind of picture; {hint}")
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"{text!r} names a kind of picture twice")
    return kinds


class Kinds(click.ParamType):
    """`parse_kinds` for click."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if not isinstance(value, str):
            return tuple(value)
        try:
            return parse_kinds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def check_kinds(G: Generator, kinds: Iterable[str]) -> None:
    """Whether this generator can show them."""
    wanting = [kind for kind in kinds if kind in NEED_BACKGROUND]
    if wanting and not G.config.background:
        raise ValueError(
            f"This model draws no background apart from the head, as EG3D's do not, so it has no {wanting[0]!r}: ask "
            f"for some of {', '.join(kind for kind in KINDS if kind not in NEED_BACKGROUND)}."
        )


def show(
    G: Generator,
    sitter: Sitter,
    labels: Float[Tensor, "views 25"],
    kinds: Sequence[str],
    *,
    raw_resolution: int | None = None,
    together: int | None = None,
    ground: Ground | None = None,
) -> Iterator[Pictures]:
    """The views of a head, `together` of them at a time (None: as is fastest), in order. RGB, the foreground RGBA.

    Image and background have the pixels of `ground`, where they are given, behind the head.
    """
    needs = set(kinds) if ground is None else {*kinds, "foreground"} - {"background"}
    check_kinds(G, needs)
    place = studio(G, sitter, raw_resolution) if "foreground" in needs else None
    behind = colours(backdrop_alone(G, sitter, raw_resolution)) if "background" in needs else None
    together = together or views_at_once(G)
    parts = exposures(G, sitter, labels, raw_resolution=raw_resolution, together=together)
    for exposure, c in zip(parts, labels.split(together), strict=True):
        size, made = G.img_resolution, {}
        if "foreground" in needs:
            rgb, alpha = cut_out(G, place, exposure)
            made["foreground"] = np.concatenate([colours(rgb), shades(alpha)], axis=-1)
        if ground is not None:
            made["image"] = put_before(made["foreground"], ground)
            made["background"] = ground[None].repeat(len(c), axis=0)
        elif behind is not None:
            made["background"] = behind.repeat(len(c), axis=0)
        mask = exposure.opacity.clamp(0, 1)
        if "mask" in kinds:
            made["mask"] = _grey(resize(mask, size))
        if "depth" in kinds:
            made["depth"] = _grey(resize(_nearness(G, exposure.depth, c) * mask, size))
        if set(kinds) - made.keys():
            rendered = develop(G, sitter, exposure)
            made = {"image": colours(rendered["image"]), "raw": colours(resize(rendered["image_raw"], size))} | made
        yield {kind: made[kind] for kind in kinds}


def _nearness(
    G: Generator, depth: Float[Tensor, "views 1 h w"], labels: Float[Tensor, "views 25"]
) -> Float[Tensor, "views 1 h w"]:
    """Brightness of depths, by one scale for all heads and views."""
    distance = camera_from_label(labels.to(depth)).position.norm(dim=-1)[:, None, None, None]
    height = (distance - depth) / G.field.box_size  # Over the plane through the origin that faces the camera.
    low, high = _HEIGHTS
    return _DARKEST + (1 - _DARKEST) * ((height - low) / (high - low)).clamp(0, 1)


def _grey(values: Float[Tensor, "views 1 h w"]) -> UInt8[np.ndarray, "views h w 3"]:
    return shades(values.expand(-1, 3, -1, -1))
