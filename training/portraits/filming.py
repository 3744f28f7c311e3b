# SPDX-License-Identifier: Apache-2.0
"""Frames of a path, and their video. What a frame shares with the one before is not computed again.

A head that stays is prepared once, and its frames are rendered several at a time; one that changes is prepared for
every frame, its background only if that changes too. A GPU replays what is the same for all frames.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dnnlib.console import get_logger
from dnnlib.drawing import as_rgb
from dnnlib.progress import progress
from dnnlib.stop import stop_requests
from dnnlib.video import Video, open_video
from training.generator import Generator
from training.portraits.backdrops import Ground
from training.portraits.kinds import show
from training.portraits.paths import Track, VideoPath
from training.portraits.replaying import replayed
from training.portraits.sitter import Sitter
from training.portraits.tiles import tiled

log = get_logger(__name__)

Frame = UInt8[np.ndarray, "height width channels"]


def frame_size(G: Generator, path: VideoPath, kinds: Sequence[str]) -> tuple[int, int]:
    """(width, height) of its frames: for each kind the whole grid, side by side."""
    return len(kinds) * path.columns * G.img_resolution, path.rows * G.img_resolution


def frames(
    G: Generator,
    path: VideoPath,
    kinds: Sequence[str],
    *,
    raw_resolution: int | None = None,
    backdrop: Tensor | None = None,  # Behind all heads, as G.backdrop returned it.
    ground: Ground | None = None,  # Pixels behind all heads.
    alpha: bool = False,  # Keep the transparency of what is cut out; otherwise it is before a chequered ground.
    together: int | None = None,  # Frames of a head that stays; None: as is fastest.
) -> Iterator[Frame]:
    """All frames in order."""
    cells = [
        _cell(G, path, track, kinds, raw_resolution=raw_resolution, backdrop=backdrop, ground=ground, together=together)
        for track in path.tracks
    ]
    with replayed(G):
        for pictures in zip(*cells, strict=True):
            grids = [tiled([_seen(cell[kind], alpha) for cell in pictures], path.columns) for kind in kinds]
            yield np.concatenate(grids, axis=1)


def record(file: Path, video: Video, pictures: Iterator[Frame], num_frames: int) -> None:
    """The frames as a video. A Ctrl-C or SIGTERM ends it early, playable, and then is a KeyboardInterrupt."""
    with (
        stop_requests() as asked,
        open_video(file, video) as writer,
        progress(num_frames, file.name, unit="frame") as bar,
    ):
        for frame in pictures:
            writer.write(frame)
            bar.advance()
            if asked.is_set():
                break
    if asked.is_set():
        if writer.num_frames < num_frames:
            log.warning(f"stopped: {file} has the first {writer.num_frames} of {num_frames} frames")
        raise KeyboardInterrupt  # Even if it came too late for this one: others may follow.


def _seen(picture: Frame, alpha: bool) -> UInt8[np.ndarray, "height width _"]:
    return picture if alpha else as_rgb(picture)


def _cell(
    G: Generator,
    path: VideoPath,
    track: Track,
    kinds: Sequence[str],
    *,
    raw_resolution: int | None,
    backdrop: Tensor | None,
    ground: Ground | None,
    together: int | None,
) -> Iterator[dict[str, Frame]]:
    """The kinds of pictures of one cell, frame by frame."""
    if backdrop is None and track.ws_background is not None and track.ws_background.is_still:
        backdrop = _backdrop(G, track.ws_background.values[:1])
    for sitter, labels in _sittings(G, path, track, backdrop):
        for batch in show(G, sitter, labels, kinds, raw_resolution=raw_resolution, ground=ground, together=together):
            for view in range(len(batch[kinds[0]])):
                yield {kind: pictures[view] for kind, pictures in batch.items()}


def _sittings(
    G: Generator, path: VideoPath, track: Track, backdrop: Tensor | None
) -> Iterator[tuple[Sitter, Float[Tensor, "views 25"]]]:
    """Heads and the cameras that they are seen from, in order."""
    labels = path.labels.to(track.ws.values.device)
    if track.is_still:
        yield _seat(G, track, 0.0, backdrop), labels
        return
    for frame in range(path.num_frames):
        yield _seat(G, track, path.position(track, frame), backdrop), labels[frame : frame + 1]


@torch.no_grad()
def _seat(G: Generator, track: Track, position: float, backdrop: Tensor | None) -> Sitter:
    ws = track.ws.at(position)[None]
    if backdrop is None:
        behind = ws if track.ws_background is None else track.ws_background.at(position)[None]
        backdrop = _backdrop(G, behind)
    return Sitter(ws, G.planes(ws, "const"), backdrop)


@torch.no_grad()
def _backdrop(G: Generator, ws: Float[Tensor, "1 num_ws w_dim"]) -> Tensor | None:
    return G.backdrop(ws, "const")
