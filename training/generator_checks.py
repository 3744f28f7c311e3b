# SPDX-License-Identifier: Apache-2.0
"""What callers of a generator get wrong, told in a sentence before anything is computed."""

import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from training.cameras import camera_from_label
from training.conditions import join
from training.tensor_checks import check_floats, floats, has_values

if TYPE_CHECKING:
    from training.generator import Generator

MAX_RESOLUTION = 1024  # Of raw pictures: more rays have no numbers to draw samples by (rendering/draws.py).


def codes(G: "Generator", z: Any) -> Tensor:
    return floats(G, z, "z", (None, G.z_dim), f"one row of {G.z_dim} numbers per picture")


def styles(G: "Generator", ws: Any) -> Tensor:
    return floats(G, ws, "ws", (None, G.num_ws, G.w_dim), "what G.mapping returns")


def labels(G: "Generator", c: Any, batch: int) -> Tensor:
    if isinstance(c, Mapping):
        c = join(c, G.conditions)
    what = "one camera label" if len(G.conditions) == 1 else " + ".join(G.conditions)
    return floats(G, c, "c", (batch, G.c_dim), f"{what} of {G.c_dim} numbers for each of the {batch} pictures")


def points(G: "Generator", xyz: Any, batch: int) -> Tensor:
    return floats(G, xyz, "points", (batch, None, 3), "canonical points [N, M, 3]")


def planes(G: "Generator", state: Any, batch: int) -> Tensor:
    what = "what G.planes(ws) of this generator returns"
    check_floats(G, state, "planes", (batch, *G.field.state_shape), what)
    # Half precision is read as it is.
    return state if state.element_size() == 2 else state.to(next(G.parameters()).dtype)


def background(G: "Generator", ws_bcg: Any, backdrop: Any, batch: int) -> tuple[Tensor | None, Tensor | None]:
    """Styles of a background, or a prepared one, or neither."""
    if ws_bcg is not None and backdrop is not None:
        raise ValueError("Give ws_bcg, the styles of a background, or backdrop, a prepared one, not both.")
    if ws_bcg is not None:
        what = f"what G.mapping returns, for 1 picture or {batch}"
        ws_bcg = floats(G, ws_bcg, "ws_bcg", (_one_or(batch, ws_bcg), G.num_ws, G.w_dim), what)
    if backdrop is not None:
        what = f"what G.backdrop(ws) of this generator returns, for 1 picture or {batch}"
        size = backdrop.shape[-1] if isinstance(backdrop, Tensor) and backdrop.ndim == 4 else None
        shape = (_one_or(batch, backdrop), G.field.num_channels, size, size)
        backdrop = floats(G, backdrop, "backdrop", shape, what)
    return ws_bcg, backdrop


def _one_or(batch: int, values: Any) -> int:
    return 1 if isinstance(values, Tensor) and values.shape[:1] == (1,) else batch


def truncation(psi: Any, cutoff: Any) -> None:
    if isinstance(psi, bool) or not isinstance(psi, numbers.Real) or not math.isfinite(psi):
        raise ValueError(f"truncation_psi is a number, 1 for none and 0 for the mean, not {psi!r}.")
    if cutoff is not None and (isinstance(cutoff, bool) or not isinstance(cutoff, numbers.Integral) or cutoff < 0):
        raise ValueError(
            f"truncation_cutoff is how many styles are truncated, from 0, or None for all, not {cutoff!r}."
        )


def resolution(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or not 1 <= size <= MAX_RESOLUTION:
        raise ValueError(
            f"neural_rendering_resolution is a whole number of pixels from 1 to {MAX_RESOLUTION}, not {size!r}."
        )
    return int(size)


def cameras(G: "Generator", label: Tensor) -> None:
    """Whether pictures can be taken with these labels at all."""
    if not has_values(G, label):
        return
    camera = camera_from_label(label)
    focal = camera.intrinsics.diagonal(dim1=1, dim2=2)[:, :2]
    if not bool((focal.abs() > 1e-6).all()):
        raise ValueError(
            "A camera label has focal length 0 (numbers 16 and 20), so it projects nothing. Heads have 4.2647; "
            "intrinsics are in units of the picture's size."
        )
    inside = camera.position.abs().amax(dim=1) < G.field.box_size / 2
    if bool(inside.any()):
        raise ValueError(
            f"Camera {int(inside.nonzero()[0])} stands inside the box of side {G.field.box_size:g} that it should look "
            "at. Heads are seen from 2.7 units away; was a world-to-camera pose given for a camera-to-world one?"
        )
    if not bool((camera.forward.norm(dim=1) > 1e-6).all()):
        raise ValueError("A camera label looks nowhere: its rotation (numbers 0 to 10) is zero.")
