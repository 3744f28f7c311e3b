# SPDX-License-Identifier: Apache-2.0
"""What callers of a generator get wrong, told in a sentence before anything is computed.

What is right comes back in the type of the weights: scripts draw codes with NumPy, in float64. Values are looked at in
eval mode only: in training they would make the device wait. Fake tensors have none.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

if TYPE_CHECKING:
    from training.generator import Generator


def codes(G: "Generator", z: Tensor) -> Tensor:
    return _floats(G, z, "z", (None, G.z_dim), f"one row of {G.z_dim} numbers per picture")


def styles(G: "Generator", ws: Tensor) -> Tensor:
    return _floats(G, ws, "ws", (None, G.num_ws, G.w_dim), "what G.mapping returns")


def background_styles(G: "Generator", ws_bcg: Tensor, batch: int) -> Tensor:
    help_text = f"what G.mapping returns, for 1 picture or for {batch}"
    return _floats(G, ws_bcg, "ws_bcg", (1 if len(ws_bcg) == 1 else batch, G.num_ws, G.w_dim), help_text)


def labels(G: "Generator", c: Tensor, batch: int) -> Tensor:
    help_text = f"one camera label of {G.c_dim} numbers for each of the {batch} pictures"
    return _floats(G, c, "c", (batch, G.c_dim), help_text)


def points(G: "Generator", xyz: Tensor, batch: int) -> Tensor:
    return _floats(G, xyz, "points", (batch, None, 3), "canonical points [N, M, 3]")


def planes(state: Tensor, batch: int) -> Tensor:
    if len(state) != batch:
        raise ValueError(f"planes are of {len(state)} pictures, ws of {batch}: pass what G.planes(ws) returns.")
    return state


def resolution(size: int) -> int:
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"neural_rendering_resolution is a whole number of pixels from 1 up, not {size!r}.")
    return size


def cameras(G: "Generator", c: Tensor) -> None:
    """Whether pictures can be taken with these labels at all."""
    if not _has_values(G, c):
        return
    focal = c[:, [16, 20]]
    if not bool((focal.abs() > 1e-6).all()):
        raise ValueError(
            "A camera label has focal length 0 (numbers 16 and 20), so it projects nothing. Heads have 4.2647; "
            "intrinsics are in units of the picture's size."
        )
    inside = c[:, [3, 7, 11]].abs().amax(dim=1) < G.field.box_size / 2
    if bool(inside.any()):
        raise ValueError(
            f"Camera {int(inside.nonzero()[0])} stands inside the box of side {G.field.box_size:g} that it should look "
            "at. Heads are seen from 2.7 units away; was a world-to-camera pose given for a camera-to-world one?"
        )


def _floats(G: "Generator", x: Tensor, name: str, shape: tuple[int | None, ...], what: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a tensor ({what}), not a {type(x).__name__}: torch.as_tensor makes one.")
    if len(x.shape) != len(shape) or any(want not in (None, have) for want, have in zip(shape, x.shape, strict=True)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must be [{wanted}] ({what}), not {list(x.shape)}.")
    if len(x) == 0:
        raise ValueError(f"{name} has no rows: there is no picture to make.")
    parameter = next(G.parameters())
    if not x.is_floating_point():
        raise ValueError(f"{name} must be floating point like the weights ({parameter.dtype}), not {x.dtype}.")
    if x.device != parameter.device:
        raise ValueError(f"{name} is on {x.device}, the weights are on {parameter.device}: move one with .to(...).")
    if _has_values(G, x) and not bool(torch.isfinite(x).all()):
        raise ValueError(f"{name} has numbers that are not finite (NaN or infinity).")
    return x.to(parameter.dtype)


def _has_values(G: "Generator", x: Tensor) -> bool:
    return not G.training and not isinstance(x, FakeTensor)
