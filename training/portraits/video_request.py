# SPDX-License-Identifier: Apache-2.0
"""What a user asks of gen_videos.py, as one value, and the videos that it means."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from dnnlib.console import get_logger
from dnnlib.video import Video, check_video
from training import generator_checks
from training.generator import Generator
from training.portraits.backdrops import Backdrop, OfSeed, check_backdrop, ground_of
from training.portraits.filming import Frame, frame_size, frames
from training.portraits.heads import Head, heads_of_files, heads_of_mix, heads_of_seeds
from training.portraits.kinds import check_kinds
from training.portraits.names import safe_name
from training.portraits.options import DEFAULT_TRUNC
from training.portraits.paths import Grid, VideoPath, check_num_heads, tracks_in_grid
from training.portraits.seeds import check_seeds
from training.portraits.trajectories import moving, read_trajectory, target_of
from training.portraits.views import conditioning_label

log = get_logger(__name__)

FORMATS = {"mp4": ".mp4", "webm": ".webm", "gif": ".gif", "png": ""}
W_FRAMES = 240
FPS, GIF_FPS = 60, 30
MAX_FRAMES = 1_000_000  # Some hours.
_MAX_NAME = 200  # Of a file, its ending aside; file systems have 255.


@dataclasses.dataclass(frozen=True)
class VideoRequest:
    """The flags, by their names. None: not given."""

    seeds: list[int] | None
    latent: tuple[str, ...]
    mix: list[int] | None
    mix_layers: list[int] | None
    grid: tuple[int, int] | None
    num_keyframes: int | None
    w_frames: int | None
    shuffle_seed: int | None
    interpolate: bool
    cfg: str
    cameras: str | None
    trunc: float | None
    trunc_cutoff: int | None
    pose_cond: float
    what: tuple[str, ...]
    background: Backdrop | None
    nrr: int | None
    outdir: str
    output: str | None
    format: str
    fps: float | None
    bitrate: int | None
    quality: int | None


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """A video to be made."""

    file: Path
    video: Video
    path: VideoPath


def check_request(request: VideoRequest, network: str) -> None:
    """Raises ValueError for what cannot work with any generator, and what cannot be written."""
    given = [name for name in ("seeds", "latent", "mix") if getattr(request, name)]
    if len(given) > 1:
        raise ValueError(f"Heads come from one place: give --{given[0]} or --{given[1]}, not both.")
    if request.mix is not None and len(request.mix) != 2:
        raise ValueError(f"Two seeds are mixed, such as --mix 521,329, not {len(request.mix)}.")
    if request.mix_layers is not None and request.mix is None:
        raise ValueError("--mix-layers says where the seeds of --mix change over: give --mix as well.")
    if request.cameras and request.w_frames:
        raise ValueError("A file of --cameras has one for each frame: leave --w-frames out.")
    if not request.interpolate and (request.grid or request.num_keyframes):
        raise ValueError("Without interpolation every head has a video of its own: leave --grid and keyframes out.")
    if request.cameras:
        read_trajectory(request.cameras)
    if not request.latent:
        check_seeds(request.mix or _seeds(request))
        check_num_heads(len(request.mix or _seeds(request)))
    if not request.latent and request.mix is None and request.interpolate:
        grid = Grid.of(request.grid or (1, 1), request.num_keyframes, len(_seeds(request)))
        _num_frames(request, grid.num_keyframes)
    generator_checks.truncation(_psi(request), request.trunc_cutoff)
    file = _file(request, network, None if request.interpolate else "head")
    check_video(file, _video(request, file, (2, 2)))


def films(G: Generator, request: VideoRequest, network: str) -> list[Film]:
    """The videos. Most often one; a video for each head where there is to be no interpolation."""
    check_kinds(G, request.what)
    check_backdrop(G, request.background)
    heads = _heads(G, request)
    if not request.interpolate:
        return [_film(G, request, _file(request, network, head.name), [head], Grid(1, 1, 1)) for head in heads]
    # Mixed heads stand side by side, as published.
    size = request.grid or ((len(heads), 1) if request.mix else (1, 1))
    return [_film(G, request, _file(request, network, None), heads, Grid.of(size, request.num_keyframes, len(heads)))]


def pictures(G: Generator, request: VideoRequest, film: Film) -> Iterator[Frame]:
    """The frames of a film."""
    backdrop = None
    if isinstance(request.background, OfSeed):
        (other,) = _heads_of_seeds(G, request, [request.background.seed])
        with torch.no_grad():
            backdrop = G.backdrop(other.ws, "const")
    return frames(
        G,
        film.path,
        request.what,
        raw_resolution=request.nrr,
        backdrop=backdrop,
        ground=ground_of(request.background, G.img_resolution),
        alpha=film.video.alpha,
    )


# ----------------------------------------------------------------------------------------------------------------------
# Heads.


def _seeds(request: VideoRequest) -> list[int]:
    return [0] if request.seeds is None else request.seeds


def _psi(request: VideoRequest) -> float:
    return DEFAULT_TRUNC if request.trunc is None else request.trunc


def _heads(G: Generator, request: VideoRequest) -> list[Head]:
    if request.mix is not None:
        return heads_of_mix(*_heads_of_seeds(G, request, request.mix), request.mix_layers)
    if not request.latent:
        return _heads_of_seeds(G, request, _seeds(request))
    if request.trunc is not None:
        log.info("styles of --latent are taken as they are: --trunc does nothing")
    return heads_of_files(G, request.latent)


def _heads_of_seeds(G: Generator, request: VideoRequest, seeds: list[int]) -> list[Head]:
    conditioning = conditioning_label(G, request.pose_cond, target_of(G, request.cfg))
    return heads_of_seeds(G, seeds, conditioning, _psi(request), request.trunc_cutoff)


# ----------------------------------------------------------------------------------------------------------------------
# Files.


def _num_frames(request: VideoRequest, num_keyframes: int) -> int:
    """Where no file of cameras says it."""
    number = num_keyframes * (request.w_frames or W_FRAMES)
    if number > MAX_FRAMES:
        raise ValueError(
            f"The video would have {number} frames, more than {MAX_FRAMES}: take fewer heads or --w-frames."
        )
    return number


def _film(G: Generator, request: VideoRequest, file: Path, heads: list[Head], grid: Grid) -> Film:
    if request.cameras:
        labels = read_trajectory(request.cameras)
    else:
        labels = moving(G, request.cfg, _num_frames(request, grid.num_keyframes))
    tracks = tracks_in_grid(heads, grid.heads(len(heads), request.shuffle_seed))
    path = VideoPath(labels, tracks, grid.columns)
    video = _video(request, file, frame_size(G, path, request.what))
    check_video(file, video)
    return Film(file, video, path)


def _file(request: VideoRequest, network: str, head: str | None) -> Path:
    """The file to make of all heads, or of one."""
    if request.output is not None:
        whole = Path(request.outdir, request.output)
    else:
        parts = [_safe(network), f"{request.pose_cond:g}"]
        if request.mix is not None:
            parts.append("mix" + "-".join(map(str, request.mix)))
        parts += dict.fromkeys(_safe(file, "latent") for file in request.latent)
        parts += [kind for kind in request.what if request.what != ("image",)]
        name, ending = "_".join(parts)[:_MAX_NAME].rstrip("."), FORMATS[request.format]
        # What follows a dot is an ending: a folder has none.
        whole = Path(request.outdir, name + ending if ending else name.replace(".", "-"))
    return whole if head is None else whole.with_suffix("") / f"{head}{whole.suffix}"


def _safe(source: str, otherwise: str = "network") -> str:
    """A part of a file name that says which network or latent."""
    name = re.split(r"[/\\]", source.partition("#")[0].rstrip("/\\"))[-1]
    return safe_name(re.sub(r"\.(safetensors|pkl|pt|npz)$", "", name), otherwise)


def _video(request: VideoRequest, file: Path, size: tuple[int, int]) -> Video:
    suffix = file.suffix.lower()
    return Video(
        width=size[0],
        height=size[1],
        fps=(GIF_FPS if suffix == ".gif" else FPS) if request.fps is None else request.fps,
        alpha=request.what == ("foreground",) and suffix in ("", ".webm"),
        bitrate=request.bitrate,
        quality=request.quality,
    )
