# SPDX-License-Identifier: Apache-2.0
"""What the published implementations were run with when their numbers were taken down: weights, cameras, settings.

The weights follow from the published tensor names: a seeded normal per name, scaled by what the tensor is.
"""

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn

from training.cameras import (
    HEAD_FOCAL,
    HEAD_RADIUS,
    intrinsics_from_focal,
    label_from_camera,
    look_at,
    position_from_hv,
)
from training.pretrained.official_names import from_official, to_official
from training.types import Camera

RENDERING = {
    "superresolution_module": "training.superresolution.SuperresolutionHybrid8XDC",
    "c_gen_conditioning_zero": False,
    "c_scale": 1.0,
    "decoder_lr_mul": 1.0,
    "decoder_activation": "none",
    "use_torgb_raw": True,
    "use_background": True,
    "triplane_size": 256,
    "triplane_depth": 3,
    "sr_antialias": True,
    "depth_resolution": 48,
    "depth_resolution_importance": 48,
    "ray_start": 2.25,
    "ray_end": 3.3,
    "box_warp": 1,
    "superresolution_noise_mode": "none",
}
INIT = {
    "z_dim": 512,
    "c_dim": 25,
    "w_dim": 512,
    "img_resolution": 512,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2},
    "channel_base": 32768,
    "channel_max": 512,
    "num_fp16_res": 0,
    "sr_num_fp16_res": 4,
}


def normals(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()


def uniforms(seed: int, low: float, high: float, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).uniform(low, high, shape)).float()


def camera_label(h_rad: float, v_rad: float) -> Tensor:
    h, v = (torch.tensor([angle], dtype=torch.float64) for angle in (h_rad, v_rad))
    T_world_cam = look_at(position_from_hv(h, v, HEAD_RADIUS), torch.zeros(1, 3, dtype=torch.float64))
    K = intrinsics_from_focal(HEAD_FOCAL, dtype=torch.float64)[None]
    return label_from_camera(Camera(T_world_cam, K)).float()


C0 = camera_label(math.pi / 2, math.pi / 2)
C1 = camera_label(math.pi / 2 - 0.9, math.pi / 2 - 0.2)


def with_golden_weights(module: nn.Module) -> nn.Module:
    golden = {name: _golden(name, value.shape) for name, value in to_official(module).items()}
    module.load_state_dict(from_official(module, golden))
    return module.eval()


def _golden(name: str, shape: torch.Size) -> Tensor:
    r = torch.as_tensor(np.random.RandomState(zlib.crc32(name.encode())).standard_normal(tuple(shape))).float()
    kind = name.rpartition(".")[2]
    if kind == "weight":
        return 100 * r if name.startswith(("backbone.mapping.fc", "mapping.fc")) else r
    if kind == "bias":
        return 1 + 0.1 * r if name.endswith("affine.bias") else 0.1 * r
    return 0.1 * r if kind in ("noise_strength", "w_avg") else r


def numbers(picture: Tensor) -> list[float]:
    """Mean, standard deviation, and the pixel at half the height and a third of the width."""
    pixel = picture[0, :, picture.shape[2] // 2, picture.shape[3] // 3]
    return [picture.mean().item(), picture.std().item(), *pixel.tolist()]
