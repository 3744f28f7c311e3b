# SPDX-License-Identifier: Apache-2.0
"""What was written is what players read back: frames, times, colours; also of a video that was interrupted."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from dnnlib.video import Video, VideoError, check_video, open_video

SIZE, FRAMES = 64, 24
ROOT = Path(__file__).resolve().parents[3]


def frame(index: int, alpha: bool = False, size: int = SIZE) -> np.ndarray:
    """Soft colours that move, and a red disc."""
    y, x = np.mgrid[:size, :size] / size
    turn = 2 * np.pi * index / FRAMES
    colours = [0.5 + 0.3 * np.sin(3 * x + turn), 0.5 + 0.3 * np.cos(2 * y - turn), 0.4 + 0.2 * np.sin(x + y)]
    disc = (x - 0.5 - 0.2 * np.cos(turn)) ** 2 + (y - 0.5 - 0.2 * np.sin(turn)) ** 2 < 0.04
    picture = np.stack(colours, axis=-1)
    picture[disc] = 0.9, 0.1, 0.1
    if alpha:
        picture = np.concatenate([picture, np.where(disc, 1.0, 0.25)[..., None]], axis=-1)
    return (picture * 255).round().astype(np.uint8)


def write(path: Path, alpha: bool = False, fps: float = 25, **rate: int) -> Path:
    with open_video(path, Video(SIZE, SIZE, fps, alpha, **rate)) as writer:
        for index in range(FRAMES):
            writer.write(frame(index, alpha))
    return path


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(np.mean((one.astype(float) - other) ** 2), 1e-9))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_a_player_gets_the_frames_back(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    decoded = decode(path)
    assert len(decoded) == FRAMES
    assert min(psnr(got, frame(index)) for index, got in enumerate(decoded)) > 26  # Edges of red lose the most.
    # Flat colours show a wrong matrix, which is off by ten and more.
    assert abs(np.mean(decoded, axis=(0, 1, 2)) - np.mean([frame(i) for i in range(FRAMES)], axis=(0, 1, 2))).max() < 3
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 25
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.colorspace == stream.codec_context.color_trc == 1  # BT.709.
        assert container.duration == pytest.approx(FRAMES / 25 * 1e6, rel=0.01)
    assert os.listdir(tmp_path) == [name]


def test_a_browser_can_begin_before_it_has_all_of_an_mp4(tmp_path: Path) -> None:
    content = write(tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("fps", [24000 / 1001, 60, 12.5])
def test_the_rate_is_kept(tmp_path: Path, fps: float) -> None:
    with av.open(str(write(tmp_path / "a.mp4", fps=fps))) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps)


@pytest.mark.parametrize("quality", [0, 1, 51, None])
def test_every_quality_is_of_the_profile_that_browsers_play(tmp_path: Path, quality: int | None) -> None:
    with av.open(str(write(tmp_path / "a.mp4", quality=quality))) as container:
        assert container.streams.video[0].codec_context.profile == "High"


def test_a_better_quality_and_more_bits_are_larger(tmp_path: Path) -> None:
    sizes = [write(tmp_path / "a.mp4", quality=quality).stat().st_size for quality in (45, 30, 5)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    few, many = (write(tmp_path / "a.mp4", bitrate=bitrate).stat().st_size for bitrate in (50_000, 5_000_000))
    assert few < many


def test_webm_keeps_transparency(tmp_path: Path) -> None:
    path = write(tmp_path / "a.webm", alpha=True)
    decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own decoder drops alpha.
    with av.open(str(path)) as container:
        parts = [decoder.decode(packet) for packet in container.demux(video=0)]
    decoded = [picture.to_ndarray(format="rgba") for picture in itertools.chain(*parts)]
    assert len(decoded) == FRAMES
    assert psnr(decoded[5][..., 3], frame(5, alpha=True)[..., 3]) > 25


def test_a_gif_has_the_frames_and_the_time(tmp_path: Path) -> None:
    with Image.open(write(tmp_path / "a.gif", fps=30)) as image:
        assert image.info["loop"] == 0
        frames, durations_ms = [], []
        for picture in ImageSequence.Iterator(image):
            frames.append(np.asarray(picture.convert("RGB")))
            durations_ms.append(picture.info["duration"])
    assert len(frames) == FRAMES
    assert sum(durations_ms) == 1000 * FRAMES / 30
    assert min(psnr(got, frame(index)) for index, got in enumerate(frames)) > 25


def test_a_folder_has_every_frame_exactly_and_none_of_an_older_video(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "000099.png").write_bytes(b"old")
    write(folder, alpha=True)
    assert sorted(os.listdir(folder)) == [f"{index:06}.png" for index in range(FRAMES)]
    for index in (0, FRAMES - 1):
        assert np.array_equal(np.asarray(Image.open(folder / f"{index:06}.png")), frame(index, alpha=True))


@pytest.mark.parametrize("ending", ["webm", "gif"])
def test_the_same_frames_are_the_same_file(tmp_path: Path, ending: str) -> None:
    assert write(tmp_path / f"a.{ending}").read_bytes() == write(tmp_path / f"b.{ending}").read_bytes()


def test_the_same_frames_look_the_same_as_mp4(tmp_path: Path) -> None:
    # Not in every bit: on a busy machine x264 divides bits between frames differently once in some dozens of times.
    one, other = decode(write(tmp_path / "a.mp4")), decode(write(tmp_path / "b.mp4"))
    assert min(map(psnr, one, other)) > 30


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "frames"])
def test_after_ctrl_c_what_is_there_plays(tmp_path: Path, name: str) -> None:
    def interrupted() -> None:
        with open_video(tmp_path / name, Video(SIZE, SIZE)) as writer:
            for index in range(7):
                writer.write(frame(index))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == [name]
    path = tmp_path / name
    assert len(list(path.iterdir()) if path.is_dir() else decode(path)) == 7


@pytest.mark.parametrize("error", [ValueError, SystemExit])
@pytest.mark.parametrize("name", ["a.mp4", "frames"])
def test_after_an_error_nothing_has_changed(tmp_path: Path, name: str, error: type[BaseException]) -> None:
    def fail() -> None:
        with open_video(tmp_path / name, Video(SIZE, SIZE)) as writer:
            writer.write(frame(0))
            raise error

    write(tmp_path / name)
    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == [name]
    path = tmp_path / name
    assert len(list(path.iterdir()) if path.is_dir() else decode(path)) == FRAMES


def test_a_video_without_frames_is_told(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frames"), open_video(tmp_path / "a.mp4", Video(SIZE, SIZE)):
        pass
    assert os.listdir(tmp_path) == []


def test_a_failing_encoder_is_told_and_never_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def many() -> None:
        with open_video(tmp_path / "frames", Video(SIZE, SIZE)) as writer:
            for index in range(100):
                writer.write(frame(index))

    monkeypatch.setattr("dnnlib.video.encoders.PngEncoder.add", full)
    with pytest.raises(OSError, match="No space"):
        many()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "video", "words"),
    [
        ("a.mp5", Video(64, 64), "Did you mean .mp4"),
        ("a.avi", Video(64, 64), "ends in .mp4, .webm, .gif"),
        ("a.mp4", Video(63, 64), "even sizes"),
        ("a.mp4", Video(64, 16384), "2 to 8192"),
        ("a.mp4", Video(8192, 8192), "more than players take"),
        ("a.gif", Video(8000, 64), "2 to 4096"),
        ("a.mp4", Video(64, 64, alpha=True), "no transparency"),
        ("a.gif", Video(64, 64, fps=60), "0.1 to 50 frames"),
        ("a.mp4", Video(64, 64, fps=0), "frames a second"),
        ("a.mp4", Video(64, 64, fps=float("nan")), "frames a second"),
        ("a.mp4", Video(64, 64, bitrate=10**6, quality=20), "give one"),
        ("a.mp4", Video(64, 64, quality=52), r"0 \(best\) to 51"),
        ("a.mp4", Video(64, 64, bitrate=3), "1k to 2G"),
        ("a.gif", Video(64, 64, quality=20), "no bitrate and no quality"),
        ("folder.mp4", Video(64, 64), "is a folder"),
        ("full", Video(64, 64), "'note.txt', which is no frame"),
        ("file", Video(64, 64), "is a file"),
    ],
)
def test_what_cannot_be_written_is_refused_before(tmp_path: Path, name: str, video: Video, words: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").touch()
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match=words):
        check_video(tmp_path / name, video)


def test_a_place_that_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match="nothing can be written there"):
        check_video(tmp_path / "file" / "a.mp4", Video(64, 64))


def test_the_folder_is_made(tmp_path: Path) -> None:
    check_video(tmp_path / "new" / "one" / "a.mp4", Video(64, 64))
    assert (tmp_path / "new" / "one").is_dir()
    assert os.listdir(tmp_path / "new" / "one") == []


def test_without_pyav_the_remedy_is_told_and_a_gif_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match=r"fullhead\[video\]"):
        check_video(tmp_path / "a.mp4", Video(64, 64))
    assert write(tmp_path / "a.gif").is_file()


PROGRAM = """
import sys, time
import numpy as np
from dnnlib.video import Video, open_video
with open_video(sys.argv[1], Video(64, 64)) as writer:
    for i in range(10_000):
        writer.write(np.full((64, 64, 3), i % 256, np.uint8))
        print(i, flush=True)
        time.sleep(0.01)
"""


def test_a_signal_from_outside_leaves_a_video_that_plays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            for line in program.stdout:
                if line.strip() == "20":
                    break
            program.send_signal(signal.SIGINT)
            program.communicate(timeout=60)
        finally:
            program.kill()
    assert program.returncode != 0
    assert len(decode(tmp_path / "a.mp4")) >= 20
    assert os.listdir(tmp_path) == ["a.mp4"]
