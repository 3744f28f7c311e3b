# SPDX-License-Identifier: Apache-2.0
"""What a user asks of gen_videos.py, as one value, and the videos that it means."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from dnnlib.console import get_logger
from dnnlib.video import Video, check_video
from training.generator import Generator
from training.portraits.backdrops import Backdrop, OfSeed, check_backdrop, ground_of
from training.portraits.filming import Frame, frame_size, frames
from training.portraits.kinds import check_kinds
from training.portraits.latents import Latent, latent_for
from training.portraits.paths import Grid, Track, VideoPath, joined, mixed_tracks, styles_of_seeds, tracks_in_grid
from training.portraits.seeds import check_seeds
from training.portraits.trajectories import conditioning, moving, read_trajectory

log = get_logger(__name__)

FORMATS = {"mp4": ".mp4", "webm": ".webm", "gif": ".gif", "png": ""}
W_FRAMES, TRUNC = 240, 0.7
FPS, GIF_FPS = 60, 30


@dataclasses.dataclass(frozen=True)
class VideoRequest:
    """The flags, by their names. None: not given."""

    seeds: list[int] | None = None
    latent: tuple[str, ...] = ()
    mix: list[int] | None = None
    mix_layers: list[int] | None = None
    grid: tuple[int, int] = (1, 1)
    num_keyframes: int | None = None
    w_frames: int | None = None
    shuffle_seed: int | None = None
    interpolate: bool = True
    cfg: str = "Head"
    cameras: str | None = None
    trunc: float | None = None
    trunc_cutoff: int | None = None
    pose_cond: float = 90.0
    what: tuple[str, ...] = ("image",)
    background: Backdrop | None = None
    nrr: int | None = None
    outdir: str = "out"
    output: str | None = None
    format: str = "mp4"
    fps: float | None = None
    bitrate: int | None = None
    quality: int | None = None


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
    if request.cameras and request.w_frames:
        raise ValueError("A file of --cameras has one for each frame: leave --w-frames out.")
    if request.mix is not None and len(request.mix) != 2:
        raise ValueError(f"Two seeds are mixed, such as --mix 521,329, not {len(request.mix)}.")
    if request.mix_layers is not None and request.mix is None:
        raise ValueError("--mix-layers says where the seeds of --mix change over: give --mix as well.")
    if request.cameras:
        read_trajectory(request.cameras)
    if not request.latent:
        check_seeds(_seeds(request) if request.mix is None else request.mix)
    if not request.latent and request.mix is None and request.interpolate:
        Grid.of(request.grid, request.num_keyframes, len(_seeds(request)))
    for file in _files(request, network).values():
        check_video(file, _video(request, file, (2, 2)))


def films(G: Generator, request: VideoRequest, network: str) -> list[Film]:
    """The videos. Most often one; a video for each head where there is to be no interpolation."""
    check_kinds(G, request.what)
    check_backdrop(G, request.background)
    made = []
    for name, file in _files(request, network).items():
        tracks, columns = _tracks(G, request, name)
        keys = max(len(track.ws.values) for track in tracks)
        if request.cameras:
            labels = read_trajectory(request.cameras)
        else:
            labels = moving(G, request.cfg, keys * (request.w_frames or W_FRAMES))
        path = VideoPath(labels, tracks, columns)
        video = _video(request, file, frame_size(G, path, request.what))
        check_video(file, video)
        made.append(Film(file, video, path))
    return made


def pictures(G: Generator, request: VideoRequest, film: Film) -> Iterator[Frame]:
    """The frames of a film."""
    backdrop = None
    if isinstance(request.background, OfSeed):
        with torch.no_grad():
            backdrop = G.backdrop(_styles(G, request, [request.background.seed]), "const")
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


def _seeds(request: VideoRequest) -> list[int]:
    return [0] if request.seeds is None else request.seeds


def _styles(G: Generator, request: VideoRequest, seeds: list[int]) -> torch.Tensor:
    return styles_of_seeds(
        G,
        seeds,
        conditioning(G, request.cfg, request.pose_cond),
        truncation_psi=TRUNC if request.trunc is None else request.trunc,
        truncation_cutoff=request.trunc_cutoff,
    )


def _tracks(G: Generator, request: VideoRequest, head: int | None) -> tuple[list[Track], int]:
    """Tracks of a film, and the columns of its grid. `head`: of this one alone."""
    if request.mix is not None:
        tracks = mixed_tracks(_styles(G, request, request.mix), request.mix_layers)
        return tracks, len(tracks)
    if request.latent:
        if request.trunc is not None:
            log.info("styles of --latent are taken as they are: --trunc does nothing")
        latent = joined([latent_for(G, file) for file in request.latent])
    else:
        latent = Latent(_styles(G, request, _seeds(request)))
    if head is not None:
        return tracks_in_grid(latent, [[head]]), 1
    grid = Grid.of(request.grid, request.num_keyframes, len(latent.ws))
    return tracks_in_grid(latent, grid.heads(len(latent.ws), request.shuffle_seed)), grid.columns


def _files(request: VideoRequest, network: str) -> dict[int | None, Path]:
    """The files to make, by the index of the head that they show, or None: all."""
    suffix = FORMATS[request.format]
    if request.output is not None:
        whole = Path(request.outdir, request.output) if request.outdir else Path(request.output)
    else:
        parts = [_safe(network), f"{request.pose_cond:g}"]
        if request.mix is not None:
            parts.append("mix" + "-".join(map(str, request.mix)))
        parts += [_safe(file) for file in request.latent]
        parts += [kind for kind in request.what if request.what != ("image",)]
        whole = Path(request.outdir, "_".join(parts) + suffix)
    if request.interpolate or request.mix is not None:
        return {None: whole}
    folder, suffix = whole.with_suffix(""), whole.suffix
    names = [_safe(file) for file in request.latent] or [f"seed{seed:04}" for seed in _seeds(request)]
    return {head: folder / f"{name}{suffix}" for head, name in enumerate(names)}


def _safe(source: str) -> str:
    """A part of a file name that says which network or latent, on every system."""
    name = re.split(r"[/\\]", source.partition("#")[0].rstrip("/\\"))[-1]
    stem = re.sub(r"\.(safetensors|pkl|pt|npz)$", "", name)
    return re.sub(r"[^\w.-]+", "-", stem, flags=re.ASCII).strip(".-")[:80] or "network"


def _video(request: VideoRequest, file: Path, size: tuple[int, int]) -> Video:
    suffix = file.suffix.lower()
    return Video(
        width=size[0],
        height=size[1],
        fps=request.fps or (GIF_FPS if suffix == ".gif" else FPS),
        alpha=request.what == ("foreground",) and suffix in ("", ".webm"),
        bitrate=request.bitrate,
        quality=request.quality,
    )
