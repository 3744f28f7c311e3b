# SPDX-License-Identifier: Apache-2.0
"""A video being written: a thread encodes it while the next frames are made."""

import contextlib
import os
import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from dnnlib.atomic import atomic_path, unfinished
from dnnlib.console import get_logger
from dnnlib.drawing import Picture
from dnnlib.video.encoders import AbstractEncoder, make_encoder
from dnnlib.video.formats import FOLDER, Video, VideoError, check_video, ending, is_frame

log = get_logger(__name__)

_WAITING = 8  # Frames between the maker and the encoder. More would take memory and make nothing faster.


@final
class VideoWriter:
    """Takes frames one by one. `open_video` makes one."""

    def __init__(self, video: Video, encoder: AbstractEncoder) -> None:
        self.video = video
        self.num_frames = 0
        self._encoder = encoder
        self._queue: queue.Queue[Picture | None] = queue.Queue(_WAITING)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._encode, name="video encoder", daemon=True)
        self._thread.start()

    def write(self, frame: Picture) -> None:
        """One more frame, uint8 [height, width, 3], or 4 with alpha. It belongs to the writer from now on."""
        wanted = (self.video.height, self.video.width, 4 if self.video.alpha else 3)
        assert frame.shape == wanted, f"a frame is {frame.shape}, but this video has {wanted}"
        assert frame.dtype == np.uint8, f"a frame is {frame.dtype}, not 8-bit"
        if self._failure is not None:
            raise self._failure
        self._queue.put(np.ascontiguousarray(frame))
        self.num_frames += 1

    def _encode(self) -> None:
        while (frame := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # Whoever waits for a place in the queue goes on, and is told.
            try:
                self._encoder.add(frame)
            except Exception as error:
                self._failure = error

    def _finish(self) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        if self.num_frames == 0:
            raise VideoError("the video has no frames")
        self._encoder.finish()

    def _stop(self) -> None:
        """Ends the thread, whatever has happened."""
        if self._thread.is_alive():
            self._failure = self._failure or VideoError("the video was given up")  # No more frames are encoded.
            self._queue.put(None)
            self._thread.join()


@contextlib.contextmanager
def open_video(path: str | Path, video: Video) -> Iterator[VideoWriter]:
    """A writer whose video appears as `path` when the block ends.

    A Ctrl-C in the block ends the video early: it has the frames until then, and plays. Any other error leaves what was
    there before.
    """
    check_video(path, video)
    suffix, interruption = ending(path), None
    place = _folder(Path(path)) if suffix == FOLDER else atomic_path(path)
    with place as temporary, contextlib.closing(make_encoder(suffix, temporary, video)) as encoder:
        writer = VideoWriter(video, encoder)
        try:
            try:
                yield writer
            except KeyboardInterrupt as error:
                if writer.num_frames == 0:
                    raise
                interruption = error
            writer._finish()
        finally:
            writer._stop()
    if interruption is not None:
        log.warning(f"{path}: interrupted; it ends after {writer.num_frames} frames")
        raise interruption


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A folder to make, which replaces `path` and the frames in it when the block ends."""
    target = Path(os.path.realpath(path))
    temporary = unfinished(target)
    try:
        yield temporary
        if target.is_dir():
            for child in target.iterdir():
                if is_frame(child.name):
                    child.unlink()
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
