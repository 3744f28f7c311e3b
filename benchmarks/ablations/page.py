# SPDX-License-Identifier: Apache-2.0
"""An ablation in docs/results.md: table, curves, pictures, and what they were made with."""

from pathlib import Path

from PIL import Image

from benchmarks import harness
from benchmarks.ablations.curves import chart, means
from benchmarks.ablations.table import Record, table
from dnnlib.drawing import RGBPicture

# Below this GANs of this size have not settled which of them is better.
_LEAST_KIMG, _LEAST_SEEDS = 1000, 3


def check(device: str, root: Path = harness.ROOT) -> None:
    """Before any work: whether the page has a place for what comes."""
    page = root / "docs" / "results.md"
    if not page.exists() or f"<!-- ablation-{device} -->" not in page.read_text(encoding="utf-8"):
        raise ValueError(f"{page}: has no place marked <!-- ablation-{device} -->; leave out --write, or add the marks")


def publish(record: Record, picture: RGBPicture, device: str, root: Path = harness.ROOT) -> None:
    """Saves JSON, the sheet, the chart, and the section of the page."""
    harness.save("ablation", device, record)
    name = f"ablation-{device}"
    image = root / "docs" / "images" / f"{name}.png"
    Image.fromarray(picture).save(image, optimize=True)
    text = section(record, harness.environment(device))
    text += f"\n\n![Same latents of the first seed, all variants](images/{image.name})"
    if means(record):
        curves = image.with_name(f"{name}-curves.png")
        metric = f"fd{record['budget']['curve_pictures']}_thumbs"
        Image.fromarray(chart(record, metric)).save(curves, optimize=True)
        text += f"\n\n![{metric} over the training, all variants](images/{curves.name})"
    harness.put_between_markers(root / "docs" / "results.md", name, text)


def section(record: Record, facts: dict) -> str:
    """The table and its circumstances."""
    budget = record["budget"]
    seeds = min(len(each) for each in record["networks"].values())
    spread = "mean ± standard deviation over seeds" if seeds > 1 else "a single seed"
    made = (
        f"`{budget['cfg']}`, {budget['kimg']:g} thousand images for each of {seeds} seeds ({spread}), "
        f"{budget['images']} heads, {budget['back_share']:.0%} of them from behind with labels that drift by up to "
        f"{budget['drift']:g}; {facts['device']}, PyTorch {facts['torch']}, trained by commit "
        f"{', '.join(record['commits'])}."
    )
    claim = (
        "**No ordering of the variants follows from this table**: the runs are far too short. It shows that the "
        "command works."
        if budget["kimg"] < _LEAST_KIMG or seeds < _LEAST_SEEDS
        else "Differences below the deviation of seeds say nothing."
    )
    return f"{made}\n{claim}\n\n{table(record)}"
