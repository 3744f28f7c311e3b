# SPDX-License-Identifier: Apache-2.0
"""What a user asks of projector.py, as one value, and its course from pictures to files."""

import dataclasses
import threading
from pathlib import Path

from dnnlib.console import get_logger
from dnnlib.text import format_duration
from dnnlib.video.formats import Video, VideoError, check_video
from training.generator import Generator
from training.inversion.inverting import invert
from training.inversion.likeness import Likeness
from training.inversion.reading import read_targets
from training.inversion.results import VIDEO, video_of, write_results, write_shapes, write_video
from training.inversion.settings import Settings, Space
from training.portraits.folders import results_folder
from training.portraits.latents import latent_for
from training.portraits.views import View
from training.shapes.grid import check_resolution

log = get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class Request:
    """The flags, by their names."""

    target: Path
    target_seg: Path | None
    idx: tuple[int, ...] | list[int]
    separate: bool
    yaw: tuple[float, ...] | None
    pitch: tuple[float, ...] | None
    refine_camera: bool | None
    outdir: Path
    space: Space
    num_steps: int
    num_steps_pti: int
    keep: float
    latent: Path | None
    seed: int
    save_video: bool | None
    fps: float
    shapes: bool
    shape_res: int

    def check(self) -> None:
        """Raises ValueError for what cannot work with any generator."""
        if not self.target.exists():
            raise ValueError(f"{self.target}: there is no such file or folder; name a portrait, or a set of them")
        if len(set(self.idx)) < len(self.idx):
            raise ValueError("--idx names an entry twice; each picture counts once")
        if self.latent is not None and self.refine_camera:
            raise ValueError(
                "Cameras are refined by the search, and with --latent there is none: leave one of them out."
            )
        if self.shapes:
            check_resolution(self.shape_res)
        self.views()
        self.settings(knows_cameras=True)
        results_folder(self.outdir)
        self.video(512)

    def views(self) -> list[View]:
        """Cameras that are given by their angles."""
        yaws, pitches = self.yaw or (0.0,), self.pitch or (0.0,)
        if self.yaw is None and self.pitch is None:
            return []
        if len(yaws) != len(pitches) and 1 not in (len(yaws), len(pitches)):
            raise ValueError(f"There are {len(yaws)} yaws and {len(pitches)} pitches: give as many, or one of them.")
        if not all(-90 <= pitch <= 90 for pitch in pitches):
            raise ValueError("A pitch lies between -90 (from below) and 90 degrees (from above).")
        count = max(len(yaws), len(pitches))
        return [View(yaws[i % len(yaws)], pitches[i % len(pitches)]) for i in range(count)]

    def video(self, resolution: int) -> Video | None:
        """None where none is wanted, or where nobody asked and none can be written."""
        video = video_of(resolution, self.fps)
        if self.save_video is False:
            return None
        try:
            check_video(self.outdir / VIDEO, video)
        except VideoError as error:
            if self.save_video:
                raise
            log.info(f"No video of the progress: {error}")
            return None
        return video

    def settings(self, knows_cameras: bool) -> Settings:
        """Of the search and of tuning."""
        refine = self.refine_camera
        if refine is None:
            refine = not knows_cameras and self.latent is None
            if refine:
                log.info("No camera is known, so it is sought from the front; --yaw or a label is a better start.")
        return Settings(self.space, self.num_steps, self.num_steps_pti, self.seed, refine, self.keep)


def project(G: Generator, network: str, request: Request, likeness: Likeness, stop: threading.Event) -> bool:
    """From pictures to files. False if it was stopped."""
    targets, knows_cameras = read_targets(
        G,
        request.target,
        request.target_seg,
        request.idx,
        request.views(),
        one_person=not request.separate,
    )
    start = None if request.latent is None else latent_for(G, request.latent)
    if start is not None and request.views():  # Cameras that are given go before those of the file.
        start = dataclasses.replace(start, labels=None)
    settings = request.settings(knows_cameras)
    masks = "their masks" if targets.masks is not None else "no masks"
    log.info(f"{len(targets)} pictures of {targets.num_heads} heads, {masks}; compared by pixels and {likeness.name}")
    inversion = invert(G, targets, settings, likeness, request.outdir, stop, start)
    if inversion is None:
        return False
    about = {"settings": dataclasses.asdict(settings), "perceptual": likeness.name}
    numbers = write_results(request.outdir, inversion, targets, network, about)
    video = request.video(G.img_resolution)
    if video is not None and inversion.course.frames:
        write_video(request.outdir, inversion.course.frames, video)
    if request.shapes:
        write_shapes(request.outdir, inversion, request.shape_res)
    psnr = [f"{name} {sum(each) / len(each):.1f} dB" for name, each in numbers["psnr_db"].items()]
    log.info(f"{request.outdir}: {', '.join(psnr)}, after {format_duration(numbers['elapsed_s'])}")
    return True
