# SPDX-License-Identifier: Apache-2.0
"""A generator and a critic of a few thousand weights, with every part of the large ones."""

import torch
from torch import Tensor

from training.builder import build_critic, build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, label_from_camera
from training.discriminator import Discriminator
from training.generator import Generator
from training.model_config import (
    CriticConfig,
    GeneratorConfig,
    MappingConfig,
    MarcherConfig,
    ShiftConfig,
    SuperResolutionConfig,
    TriGridConfig,
)

CONFIG = GeneratorConfig(
    resolution=32,
    mapping=MappingConfig(z_dim=8, w_dim=12),
    field=TriGridConfig(resolution=16, depth=3, channels=8, channel_base=128, channel_max=16, decoder_width=16),
    renderer=MarcherConfig(resolution=8, num_coarse=6, num_fine=5),
    superresolution=SuperResolutionConfig(in_resolution=16, widths=(12, 8)),
    background_channel_base=64,
    shift=ShiftConfig(zero_init=False),
)


def small_generator(config: GeneratorConfig = CONFIG) -> Generator:
    """With every weight away from its first value, so that nothing is multiplied by zero."""
    torch.manual_seed(0)
    return _shaken(build_generator(config)).eval()


def small_critic(config: CriticConfig | None = None) -> Discriminator:
    torch.manual_seed(1)
    config = config or CriticConfig(channel_base=128, channel_max=16, group_size=2)
    return _shaken(build_critic(config, resolution=32)).eval()


def codes(batch: int, z_dim: int = 8, seed: int = 2) -> Tensor:
    return torch.randn(batch, z_dim, generator=torch.Generator().manual_seed(seed))


def labels(*azimuth_rad: float) -> Tensor:
    azimuth = torch.tensor(azimuth_rad)
    return label_from_camera(camera_on_sphere(*hv_from_angles(azimuth, 0.1 * torch.ones_like(azimuth)))).float()


def _shaken(module: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module
