# SPDX-License-Identifier: Apache-2.0
"""Small snapshots of the published structure, made from tensors that our own modules name and order as published."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.torch_utils.legacy_snapshots import EasyDict, Persistent, write_snapshot
from tests.training.golden import INIT, RENDERING
from training.builder import build_critic, build_generator
from training.pretrained.official_config import PANOHEAD, Family, critic_config, generator_config
from training.pretrained.official_names import official_constants, to_official

SMALL = {"img_resolution": 128, "z_dim": 16, "w_dim": 24, "channel_base": 512, "channel_max": 16, "sr_num_fp16_res": 0}
SR = "training.superresolution.SuperresolutionHybrid2X"
CRITIC = {
    "c_dim": 25,
    "img_resolution": 128,
    "img_channels": 3,
    "channel_base": 512,
    "channel_max": 16,
    "epilogue_kwargs": {"mbstd_group_size": 2},
}
AXES = {
    "xy_xz_yz": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    ],
    "xy_xz_zx": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
    ],
}


class Part(Persistent):
    """A module of the file, grown from dotted names."""

    def plant(self, name: str, value: Tensor) -> None:
        head, _, rest = name.partition(".")
        if rest:
            if head not in self._modules:
                self.add_module(head, Part())
            self._modules[head].plant(rest, value)
        elif head in ("resample_filter", "noise_const", "w_avg", "dataset_label_std"):
            self.register_buffer(head, value)
        else:
            self.register_parameter(head, torch.nn.Parameter(value))


class TriPlaneGenerator(Part):
    pass


class ImportanceRenderer(Part):
    """PanoHead's renderer comes with its source."""


class MaskDualDiscriminatorV2(Part):
    pass


def rendering_of(family: Family) -> dict[str, Any]:
    settings = {"superresolution_module": SR, "depth_resolution": 8, "depth_resolution_importance": 8}
    rendering = RENDERING | settings | {"triplane_size": 32, "triplane_depth": 2}
    if family.rescaled:
        for key in ("triplane_size", "triplane_depth", "use_torgb_raw", "use_background", "decoder_activation"):
            rendering.pop(key)
    return rendering


def official_parts(family: Family, *, density: float = 0.0) -> tuple[TriPlaneGenerator, MaskDualDiscriminatorV2, Any]:
    """The two modules of a file, and our generator with the same weights. `density` makes heads more opaque."""
    torch.manual_seed(0)
    init, rendering = INIT | SMALL, rendering_of(family)
    # The live settings differ from those at construction, and it is they that count.
    ours = build_generator(generator_config(init, rendering | {"ray_start": 2.3}, family, 32)).eval()
    with torch.no_grad():
        ours.field.decoder.out.bias[0] += density
    G = TriPlaneGenerator(**init, rendering_kwargs=EasyDict(rendering))
    for name, value in (to_official(ours) | official_constants(ours)).items():
        G.plant(name, value.clone())
    G.plant("dataset_label_std", torch.ones(25))
    G.rendering_kwargs = EasyDict(rendering | {"ray_start": 2.3})
    G.neural_rendering_resolution = 32
    G.add_module("renderer", ImportanceRenderer() if family is PANOHEAD else Part())
    G.renderer.plane_axes = torch.tensor(AXES[family.axes], dtype=torch.float32)
    critic = build_critic(critic_config("MaskDualDiscriminatorV2", CRITIC), resolution=128)
    D = MaskDualDiscriminatorV2(**CRITIC)
    for name, value in (to_official(critic) | official_constants(critic)).items():
        D.plant(name, value.clone())
    return G, D, ours


def written(path: Path, trace: Path, *, comment: str = "triplane_crop=0.1", **entries: Any) -> Path:
    snapshot = {"training_set_kwargs": None, "G": None, "D": None, "G_ema": None, "augment_pipe": None}
    write_snapshot(path, 4, trace, snapshot | entries, comment)
    return path
