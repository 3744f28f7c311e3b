# SPDX-License-Identifier: Apache-2.0
"""EG3D, tri-planes: Chan et al., "Efficient geometry-aware 3D generative adversarial networks" (2022)."""

from training.data.config import DataConfig
from training.loss_config import LossConfig
from training.model_config import CriticConfig, GeneratorConfig, MarcherConfig, TriGridConfig
from training.run_config import RunConfig
from training.schedule_config import ScheduleConfig


def eg3d() -> RunConfig:
    """EG3D at 512 x 512: tri-planes, dual discrimination, no background of its own."""
    return RunConfig(
        name="eg3d",
        data=DataConfig(mirror=True, require_masks=False),
        generator=GeneratorConfig(
            field=TriGridConfig(depth=1, planar=True, crop_margin=None, decoder_act="sigmoid"),
            renderer=MarcherConfig(empty="black"),
            background=False,
            raw="features",
            shift=None,
        ),
        critic=CriticConfig(inputs=("image", "raw")),
        loss=LossConfig(gamma_mask=0.0, shift=0.0, density=0.25, background_swap=0.0),
        schedule=ScheduleConfig(density_noise_nimg=0, swap_probability=0.5),
    )
