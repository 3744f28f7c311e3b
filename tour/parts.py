# SPDX-License-Identifier: Apache-2.0
"""The parts of a tour: which commands each gives, as a user would type them, and what they leave.

A part has a folder of its own, FOLDER/NAME, which it alone writes to. What it reads of others it says in `needs`.
"""

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path

from tour.finishing import inverted_views, shape_views
from tour.sizes import Sizes

Command = tuple[str, ...]  # Behind `python`.

SIDES = "0,45,90,135,180,-135,-90,-45"
# A head of this set is seen nearly from the front in its first picture, and from around in the others.
HELD_OUT_SEED = 7_000_014


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of the tour."""

    name: str
    title: str
    says: str  # What it does, before it does it.
    commands: tuple[Command, ...]
    makes: tuple[Path, ...]  # Without these it is not done.
    uses_model: bool = False
    needs: tuple[str, ...] = ()  # Parts whose files it reads.
    finish: Callable[[], None] | None = None  # Pictures for the page.


def parts(folder: Path, sizes: Sizes, network: str) -> list[Part]:
    """In order. `folder` is told in commands as it is given."""
    return [
        _heads(folder / "heads", sizes, network),
        _data(folder / "data", sizes),
        _training(folder / "training", folder / "data", sizes),
        _inversion(folder / "inversion", sizes, network),
        _metrics(folder / "metrics", folder / "data", sizes, network),
    ]


def _heads(own: Path, sizes: Sizes, network: str) -> Part:
    shared = ("--network", network, "--seeds", "0-3")
    turn = ("gen_videos.py", *shared, "--grid", "4x1", "--w-frames", str(sizes.frames), "--fps", "30")
    strip = ("gen_samples.py", *shared, "--yaws", SIDES, "--pitches", "0", "--grid", "1x4")
    shape = ("gen_samples.py", "--network", network, "--seeds", "0", "--shapes", "glb")
    # A page plays the one, and shows the other where it cannot.
    films = ["turn.mp4", "turn.gif"] if importlib.util.find_spec("av") else ["turn.gif"]
    return Part(
        "heads",
        "Heads of the shipped model",
        "Four heads turn once around; the same from eight sides; the shape of the first, as a mesh with a texture.",
        (
            *((*turn, "--output", f"{own}/{film}") for film in films),
            (*strip, "--outdir", str(own)),
            (*shape, "--shape-res", str(sizes.shape_res), "--outdir", str(own)),
        ),
        (own / "turn.gif", own / "grid0000.png", own / "seed0000.glb", own / "shape.png"),
        uses_model=True,
        finish=lambda: shape_views(own / "seed0000.glb", own / "shape.png"),
    )


def _data(own: Path, sizes: Sizes) -> Part:
    images, masks = _set(own)
    return Part(
        "data",
        "Procedural heads",
        f"A data set to train with: heads of {_pixels(sizes.resolution)} pixels, drawn by a program, with exact "
        "cameras and masks.",
        (_synth(own, sizes.heads, sizes.resolution),),
        (images, masks, own / "heads_img-sheet.png"),
    )


def _training(own: Path, data: Path, sizes: Sizes) -> Part:
    images, masks = _set(data)
    return Part(
        "training",
        "A training from scratch",
        f"The first {1000 * float(sizes.kimg):,.0f} images of a training, or as many as {sizes.training_minutes} "
        f"minutes are enough for, of a small model of {_pixels(sizes.resolution)} pixels, whatever model is shown. Its "
        "folder has a page that one can watch while it goes on.",
        (
            (
                *("train.py", f"--cfg={sizes.cfg}", f"--run={own}/run", f"--img_data={images}", f"--seg_data={masks}"),
                *(f"--kimg={sizes.kimg}", f"--minutes={sizes.training_minutes}", f"--tick={sizes.tick_kimg}"),
                "--snap=5",
            ),
        ),
        (own / "run" / "report.html", own / "run" / "reals.png"),
        needs=("data",),
    )


def _inversion(own: Path, sizes: Sizes, network: str) -> Part:
    images, masks = own / "target_img", own / "target_seg"
    synth = ("dataset_tool.py", "synth", "--num", "8", "--views-per-identity", "8", "--seed", str(HELD_OUT_SEED))
    invert = ("projector.py", "--network", network, "--target", str(images), "--target-seg", str(masks), "--idx", "0")
    steps = ("--num-steps", str(sizes.search_steps), "--num-steps-pti", str(sizes.tuning_steps))
    found = ("--latent", f"{own}/found/projected_w.npz", "--delta", f"{own}/found/delta.safetensors")
    return Part(
        "inversion",
        "A portrait, inverted",
        "Of one picture of a head that no training has seen: the model's head that looks like it, tuned towards that "
        "very picture; then from sides that the picture does not show, beside the truth.",
        (
            (*synth, "--resolution", str(sizes.model_resolution), "--img_dest", str(images), "--seg_dest", str(masks)),
            (*invert, *steps, "--outdir", f"{own}/found"),
            (
                *("gen_videos.py", "--network", network, *found, "--what", "foreground"),
                *("--cameras", f"{images}/dataset.json", "--output", f"{own}/views"),
            ),
        ),
        (own / "found" / "sheet.png", own / "found" / "inversion.json", own / "truth.png", own / "truth.json"),
        uses_model=True,
        finish=lambda: inverted_views(images, masks, own / "views", own / "truth.png", own / "truth.json"),
    )


def _metrics(own: Path, data: Path, sizes: Sizes, network: str) -> Part:
    """A model of another size than the training's data has a set of its own."""
    shares = sizes.model_resolution == sizes.resolution
    images, _ = _set(data if shares else own)
    those = "the data set" if shares else f"such heads of {_pixels(sizes.model_resolution)} pixels, as the model makes"
    distances = f"fd{sizes.pictures}_headnet,fd{sizes.pictures}_thumbs"
    of_heads = ",".join(f"{kind}{sizes.measured_heads}" for kind in ("id", "maskmse", "depth", "mirror"))
    measure = ("calc_metrics.py", "--network", network, f"--img_data={images}")
    return Part(
        "metrics",
        "The shipped model, measured",
        f"Distances of {sizes.pictures} pictures to {those}, from all around and from behind, and how well the "
        "views of a head agree. No network is downloaded: what looks at pictures is shipped, too.",
        (
            *(() if shares else (_synth(own, sizes.heads, sizes.model_resolution),)),
            (*measure, f"--metrics={distances},{of_heads}", "--mode=all", f"--outdir={own}/all"),
            (*measure, f"--metrics={distances}", "--mode=back", f"--outdir={own}/back"),
        ),
        (own / "all", own / "back"),
        uses_model=True,
        needs=("data",) if shares else (),
    )


def _synth(own: Path, heads: int, resolution: int) -> Command:
    """A set of procedural heads in a part's own folder."""
    images, masks = _set(own)
    size = ("--num", str(heads), "--resolution", str(resolution), "--no-depth")
    return ("dataset_tool.py", "synth", *size, "--img_dest", str(images), "--seg_dest", str(masks))


def _pixels(resolution: int) -> str:
    return f"{resolution} x {resolution}"


def _set(folder: Path) -> tuple[Path, Path]:
    """Images and masks."""
    return folder / "heads_img.zip", folder / "heads_seg.zip"
