# SPDX-License-Identifier: Apache-2.0
"""Files of inverted portraits: the styles of heads, and the cameras that their pictures were taken with.

A NumPy archive: `w` [1 or N, num_ws, w_dim], which is all that PanoHead's `projected_w.npz` has; ours may also have
`c`, the camera labels of the target pictures [views, 25], and `w_background`, styles of what stands behind the heads,
of the same shape as `w`. Others are refused; nothing in a file is executed.
"""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dnnlib.atomic import atomic_write_bytes
from training.cameras import LABEL_DIM
from training.generator import Generator

STYLES, LABELS, BACKGROUND = "w", "c", "w_background"


@dataclasses.dataclass(frozen=True, eq=False)
class Latent:
    """Heads found in pictures."""

    ws: Float[Tensor, "heads num_ws w_dim"]
    labels: Float[Tensor, "views 25"] | None = None  # Under which the pictures show them.
    ws_background: Float[Tensor, "heads num_ws w_dim"] | None = None  # None: each stands before its own background.

    def to(self, device: torch.device | str) -> "Latent":
        """The same elsewhere."""
        moved = (x if x is None else x.to(device) for x in (self.ws, self.labels, self.ws_background))
        return Latent(*moved)


def write_latent(path: str | Path, latent: Latent) -> None:
    """Makes the file, which is whole or not there."""
    named = {STYLES: latent.ws, LABELS: latent.labels, BACKGROUND: latent.ws_background}
    content = io.BytesIO()
    np.savez(content, **{name: x.detach().float().cpu().numpy() for name, x in named.items() if x is not None})
    atomic_write_bytes(path, content.getvalue())


def read_latent(path: str | Path) -> Latent:
    """What the file holds, on the CPU, in float32."""
    arrays = _arrays(Path(path))
    if STYLES not in arrays:
        held = ", ".join(arrays) or "nothing"
        raise ValueError(f"{path}: holds no styles `w`, but {held}; give projected_w.npz or what projector.py wrote")
    ws = _floats(path, arrays, STYLES, (None, None, None), "[heads, num_ws, w_dim]")
    labels = background = None
    if LABELS in arrays:
        labels = _floats(path, arrays, LABELS, (None, LABEL_DIM), f"[views, {LABEL_DIM}]")
    if BACKGROUND in arrays:
        background = _floats(path, arrays, BACKGROUND, tuple(ws.shape), f"of the shape of `{STYLES}`")
    return Latent(ws, labels, background)


def latent_for(G: Generator, path: str | Path) -> Latent:
    """What the file holds, where the generator is, if the generator can take it."""
    latent = read_latent(path)
    size, wanted = tuple(latent.ws.shape[1:]), (G.num_ws, G.w_dim)
    if size != wanted:
        raise ValueError(
            f"{path}: has {size[0]} styles of {size[1]} numbers, and this generator takes {wanted[0]} of {wanted[1]}; "
            "give the --network that it was made with"
        )
    return latent.to(next(G.parameters()).device)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"{path}: is no file; give projected_w.npz or the latent file that projector.py wrote")
    try:
        with zipfile.ZipFile(path) as archive:  # np.load would also take pickles and single arrays, and say so late.
            names = {name.removesuffix(".npy"): name for name in archive.namelist()}
            known = [name for name in (STYLES, LABELS, BACKGROUND) if name in names]
            if STYLES not in known:
                return dict.fromkeys(names, np.empty(0))
            return {name: _array(archive.read(names[name])) for name in known}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path}: is no .npz file of numbers, or a damaged one ({error})") from None


def _array(data: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(data))  # Which refuses pickles.


def _floats(
    path: str | Path, arrays: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...], what: str
) -> Tensor:
    array = arrays[name]
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or array.size == 0:
        raise ValueError(f"{path}: `{name}` must be {what}, and is {list(array.shape)}")
    if array.dtype.kind != "f":
        raise ValueError(f"{path}: `{name}` must be of floating-point numbers, and is of {array.dtype}")
    values = torch.from_numpy(array.astype(np.float32))
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"{path}: `{name}` has numbers that are not finite (NaN or infinity); invert again")
    return values
