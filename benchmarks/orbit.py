# SPDX-License-Identifier: Apache-2.0
"""A frame of an orbit against a single picture of the same generator: what is saved by preparing the head once.

The picture is the whole way: styles, planes, background, rays, super-resolution, 8 bits. The orbit is that of
gen_videos.py: the head prepared in its first frame, frames rendered several at a time. Both go on in turn, a picture
after every few frames. Encoding is timed apart and added in full, although it goes on while frames are rendered.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from configs import resolve
from dnnlib.progress import progress
from dnnlib.video import Video, check_video, open_video
from training.builder import build_generator
from training.generator import Generator
from training.pixels import colours
from training.portraits.filming import frames
from training.portraits.heads import Head, heads_of_seeds
from training.portraits.paths import VideoPath, tracks_in_grid
from training.portraits.sitter import TOGETHER, views_at_once
from training.portraits.trajectories import moving
from training.portraits.views import conditioning_label

Result = TypeVar("Result")

SIZES = {"small": "panohead_small", "full": "panohead"}
CHUNK = 2 * TOGETHER
TO_REACH = 0.7


def generator(size: str, device: str) -> Generator:
    """With random weights: a picture costs the same whatever it shows."""
    torch.manual_seed(0)
    return build_generator(resolve(SIZES[size]).generator).eval().requires_grad_(False).to(device)


def heads(G: Generator) -> list[Head]:
    return heads_of_seeds(G, [0], conditioning_label(G, 90.0), 0.7, None)


@torch.no_grad()
def picture(G: Generator, label: torch.Tensor) -> np.ndarray:
    (head,) = heads(G)
    return colours(G.synthesis(head.ws, label[None].to(head.ws))["image"])


def orbit(G: Generator, labels: torch.Tensor) -> Iterator[np.ndarray]:
    return frames(G, VideoPath(labels, tracks_in_grid(heads(G), [[0]]), columns=1), ("image",))


def seconds(device: str, work: Callable[..., Result], *arguments: object) -> tuple[float, Result]:
    start_s = time.perf_counter()
    result = work(*arguments)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start_s, result


def measure(size: str, device: str, num_frames: int) -> dict[str, object]:
    G = generator(size, device)
    labels = moving(G, "Head", num_frames)
    picture(G, labels[0])  # Operators are built, memory is fetched.
    list(orbit(G, labels[:TOGETHER]))
    picture_s, orbit_s, made = [], 0.0, []
    with progress(num_frames, f"orbit, {size}", unit="frame") as bar:
        film = orbit(G, labels)  # The head is prepared when the first frame is asked for.
        while len(made) < num_frames:
            chunk_s, chunk = seconds(device, list, islice(film, CHUNK))
            orbit_s, made = orbit_s + chunk_s, made + chunk
            picture_s.append(seconds(device, picture, G, labels[len(made) % num_frames])[0])
            bar.advance(len(chunk))
    encoding_s = encode(made)
    frame_s = (orbit_s + encoding_s) / num_frames
    return {
        "config": SIZES[size],
        "resolution": G.img_resolution,
        "frames": num_frames,
        "together": views_at_once(G),
        "picture_ms": round(harness.median(picture_s) * 1e3, 2),
        "frame_ms": round(frame_s * 1e3, 2),
        "of_which_encoding_ms": round(encoding_s / num_frames * 1e3, 2),
        "ratio": round(frame_s / harness.median(picture_s), 3),
        "to_reach": TO_REACH,
    }


def encode(made: list[np.ndarray]) -> float:
    """Seconds from the first frame to the finished mp4."""
    height, width, _ = made[0].shape
    with tempfile.TemporaryDirectory() as folder:
        path, video = Path(folder, "orbit.mp4"), Video(width, height, fps=60)
        check_video(path, video)
        start_s = time.perf_counter()
        with open_video(path, video) as writer:
            for frame in made:
                writer.write(frame)
        return time.perf_counter() - start_s


def table(results: list[dict]) -> str:
    lines = [
        "| | picture, ms | frame of an orbit, ms | of which encoding | ratio | to reach |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| `{r['config']}`, {r['resolution']} x {r['resolution']} | {r['picture_ms']:.0f} | {r['frame_ms']:.0f} "
            f"| {r['of_which_encoding_ms']:.1f} | **{r['ratio']:.2f}** | {r['to_reach']} |"
        )
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--size", type=click.Choice([*SIZES, "both"]), default="both", show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--frames", "num_frames", type=click.IntRange(1), default=120, show_default=True)
@click.option("--write", is_flag=True, help="Save the result as JSON and put the table into docs/videos.md.")
def main(size: str, device: str, num_frames: int, write: bool) -> None:
    """Time an orbit, per frame, against single pictures."""
    harness.take_device(device)
    results = [measure(each, device, num_frames) for each in (SIZES if size == "both" else [size])]
    click.echo(table(results))
    if write:
        click.echo(f"Saved {harness.save('orbit', device, results)}", err=True)
        title = harness.place(harness.environment(device))
        page = harness.ROOT / "docs" / "videos.md"
        harness.put_between_markers(page, f"orbit-{device}", f"{title}\n\n{table(results)}")


if __name__ == "__main__":
    main()
