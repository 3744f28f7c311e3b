# SPDX-License-Identifier: Apache-2.0
"""What is compared: PanoHead, and what is left of it as its three ideas are taken away, the last one first.

The rows are those of the paper's second table (An et al., 2023). A variant is the preset with the named fields
replaced, and nothing else: it has the same widths, losses, ramps, images and random numbers.
"""

from typing import Any, NamedTuple

from dnnlib.config_paths import replace
from training.run_config import RunConfig


class Variant(NamedTuple):
    """By what it differs from the preset."""

    title: str
    changes: dict[str, Any]
    has_mask: bool  # Whether its opacity means the head; without segmentation it is all that is seen.


_NO_SHIFT = {"generator.shift": None, "loss.shift": 0.0}
_PLANES = {"generator.field.depth": 1, "generator.field.planar": True}
_NO_SEGMENTATION = {
    "data.seg_data": None,
    "data.require_masks": False,
    "critic.inputs": ("image", "raw"),
    "generator.background": False,
    # The volume has to hold what is behind the head as well.
    "generator.field.crop_margin": None,
    "loss.gamma_mask": 0.0,
    "loss.background_swap": 0.0,
}

CURVE_POINTS = 8  # At least. A save with its pictures and its metric takes 2 seconds on a core.

VARIANTS: dict[str, Variant] = {
    "planes": Variant("tri-plane, no segmentation (EG3D)", {**_NO_SHIFT, **_PLANES, **_NO_SEGMENTATION}, False),
    "masks": Variant("+ segmentation, tri-plane", {**_NO_SHIFT, **_PLANES}, True),
    "grid": Variant("+ tri-grid", _NO_SHIFT, True),
    "adaptation": Variant("+ camera self-adaptation (PanoHead)", {}, True),
}


def shared(preset: RunConfig, *, img_data: str, seg_data: str, nimg: int, device: str, metric: str) -> RunConfig:
    """The preset for a run of `nimg` images. Ramps that such a run would not see the end of become shorter."""
    loop, schedule = preset.loop, preset.schedule
    return replace(
        preset,
        **{
            "device": device,
            "metrics": (metric,),
            "data.img_data": img_data,
            "data.seg_data": seg_data,
            "loop.total_nimg": nimg,
            "loop.tick_nimg": max(1, min(loop.tick_nimg, nimg // 10)),
            "loop.snapshot_nimg": max(1, min(loop.snapshot_nimg, nimg // CURVE_POINTS)),
            "loop.keep_every_nimg": None,
            "schedule.blur_nimg": min(schedule.blur_nimg, nimg // 4),
            "schedule.density_noise_nimg": min(schedule.density_noise_nimg, nimg // 4),
            "schedule.swap_nimg": min(schedule.swap_nimg, nimg // 2),
        },
    )


def variant(base: RunConfig, key: str, seed: int) -> RunConfig:
    """The run of a variant and a seed."""
    return replace(base, name=f"ablation-{key}", seed=seed, **VARIANTS[key].changes)
