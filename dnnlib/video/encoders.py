# SPDX-License-Identifier: Apache-2.0
"""Encoders: frames one after the other to a file or folder, whatever its final name will be.

All are called from one thread. `finish` makes what was added complete; `close` lets go of files and is always called.
"""

import itertools
import tempfile
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from typing import final

import numpy as np
from PIL import Image

from dnnlib.drawing import Picture
from dnnlib.video.formats import FOLDER, FORMATS, Video, VideoError, load_av

_BT709 = 1  # As FFmpeg numbers matrices, primaries and curves; browsers take untagged videos for something older.
_LIMITED = 1  # Brightness from 16 to 235, as nearly all videos have it.
_BEST_LOOK = {"libx264": 17, "libvpx-vp9": 24}  # Constant rate factors at which one has to search for losses.
_WHOLE_EVERY_S = 4
_PALETTE_FRAMES, _PALETTE_SIDE = 32, 48  # More pixels take longer and give the same colours.


class AbstractEncoder(ABC):
    """Takes frames of one size."""

    @abstractmethod
    def add(self, frame: Picture) -> None:
        """One more frame."""

    @abstractmethod
    def finish(self) -> None:
        """Completes the video."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of everything. What is not finished is of no use."""


def make_encoder(suffix: str, path: Path, video: Video) -> AbstractEncoder:
    """The encoder for a key of FORMATS."""
    if suffix == FOLDER:
        return PngEncoder(path)
    return GifEncoder(path, video) if suffix == ".gif" else AvEncoder(suffix, path, video)


@final
class AvEncoder(AbstractEncoder):
    """mp4 with H.264, or webm with VP9, in the form that browsers play."""

    def __init__(self, suffix: str, path: Path, video: Video) -> None:
        self._av = load_av()
        codec = FORMATS[suffix].codec
        assert codec is not None
        container_options = {"fflags": "+bitexact"}  # A webm has no random number as its name.
        if suffix == ".mp4":  # The index before the frames, so that a player can begin while it loads.
            container_options["movflags"] = "+faststart"
        try:
            self._container = self._av.open(str(path), "w", format=suffix[1:], options=container_options)
            stream = self._container.add_stream(
                codec, rate=Fraction(video.fps).limit_denominator(1001), options=_options(codec, video)
            )
        except self._av.FFmpegError as error:
            raise VideoError(f"the encoder {codec} does not start: {error}") from error
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = "yuva420p" if video.alpha else "yuv420p"
        context = stream.codec_context
        # Whole pictures are where players jump to, and a little pulse to the eye: few are right for short videos.
        context.gop_size = max(1, round(_WHOLE_EVERY_S * video.fps))
        context.color_range, context.colorspace = _LIMITED, _BT709
        context.color_primaries, context.color_trc = _BT709, _BT709
        if video.bitrate is not None:
            stream.bit_rate = video.bitrate
        self._stream, self._layout, self._count = stream, "rgba" if video.alpha else "rgb24", 0

    def add(self, frame: Picture) -> None:
        picture = self._av.VideoFrame.from_ndarray(frame, format=self._layout).reformat(
            format=self._stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG", interpolation="AREA"
        )
        picture.pts, self._count = self._count, self._count + 1
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        self._container.close()


def _options(codec: str, video: Video) -> dict[str, str]:
    options = {"preset": "medium"} if codec == "libx264" else {"deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if video.bitrate is None:
        quality = _BEST_LOOK[codec] if video.quality is None else video.quality
        if codec == "libx264":
            options["crf"] = str(max(quality, 1))  # 0 is lossless, in a profile that browsers do not play.
        else:
            options |= {"crf": str(quality), "b": "0"}
    return options


@final
class GifEncoder(AbstractEncoder):
    """A gif with one palette for all frames, which therefore wait on disk until the last is known."""

    def __init__(self, path: Path, video: Video) -> None:
        self._path, self._fps, self._shape = path, video.fps, (video.height, video.width, 3)
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._count = 0

    def add(self, frame: Picture) -> None:
        self._spool.write(frame.tobytes())
        self._count += 1

    def finish(self) -> None:
        palette = self._palette()
        frames = (image.quantize(palette=palette) for image in map(self._read, range(self._count)))
        # Whole hundredths of a second that add up to the right time.
        ends = [round(100 * i / self._fps) for i in range(self._count + 1)]
        durations_ms = [10 * (end - begin) for begin, end in itertools.pairwise(ends)]
        first = next(frames)
        first.save(
            self._path, "GIF", save_all=True, append_images=frames, duration=durations_ms, loop=0, optimize=False
        )

    def close(self) -> None:
        self._spool.close()

    def _palette(self) -> Image.Image:
        """256 colours for a mosaic of frames from the whole video."""
        chosen = np.unique(np.linspace(0, self._count - 1, _PALETTE_FRAMES).round().astype(int))
        tiles = [np.asarray(_thumbnail(self._read(int(i)))) for i in chosen]
        return Image.fromarray(np.concatenate(tiles)).quantize(256, Image.Quantize.MEDIANCUT, kmeans=2)

    def _read(self, index: int) -> Image.Image:
        size = int(np.prod(self._shape))
        self._spool.seek(index * size)
        return Image.fromarray(np.frombuffer(self._spool.read(size), np.uint8).reshape(self._shape))


def _thumbnail(image: Image.Image) -> Image.Image:
    # The nearest pixels: averages would bring colours that no frame has.
    return image.resize((min(image.width, _PALETTE_SIDE), min(image.height, _PALETTE_SIDE)), Image.Resampling.NEAREST)


@final
class PngEncoder(AbstractEncoder):
    """A folder of numbered pictures."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self._path, self._numbers = path, itertools.count()

    def add(self, frame: Picture) -> None:
        Image.fromarray(frame).save(self._path / f"{next(self._numbers):06}.png", compress_level=4)

    def finish(self) -> None:
        """Every picture is complete."""

    def close(self) -> None:
        """Nothing is open."""
