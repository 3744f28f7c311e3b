# SPDX-License-Identifier: Apache-2.0
"""PanoHead, heads from all around: An et al., "PanoHead: Geometry-aware 3D full-head synthesis in 360°" (2023)."""

from dnnlib.config_paths import replace
from training.data.config import DataConfig
from training.model_config import (
    CriticConfig,
    GeneratorConfig,
    MappingConfig,
    MarcherConfig,
    SuperResolutionConfig,
    TriGridConfig,
)
from training.run_config import LoopConfig, RunConfig
from training.schedule_config import ScheduleConfig


def panohead() -> RunConfig:
    """PanoHead at 512 x 512: tri-grid, background, camera self-adaptation, tri-discrimination."""
    return RunConfig(name="panohead", data=DataConfig(mirror=True))


def panohead_256() -> RunConfig:
    """PanoHead at 256 x 256."""
    return replace(
        panohead(),
        name="panohead_256",
        **{"generator.resolution": 256, "generator.superresolution.widths": (128, 64)},
    )


def panohead_small() -> RunConfig:
    """PanoHead at 64 x 64, for a CPU: every part of the large one, with a tenth of the weights."""
    return replace(
        panohead(),
        name="panohead_small",
        # Many small steps, for images are scarce on a CPU: heads have hair and a profile after 10,000 of them.
        # In a larger batch, what eight need stays in the cache.
        loop=LoopConfig(
            batch=8, part=8, total_nimg=300_000, tick_nimg=1_000, snapshot_nimg=10_000, keep_every_nimg=100_000
        ),
        # Ramps are shorter, as the run is. With R1 at a tenth of its weight, and half of this blur, colours narrow and
        # fine stripes along the planes stay.
        schedule=ScheduleConfig(blur_sigma=1.5, blur_nimg=20_000, swap_nimg=30_000, density_noise_nimg=20_000),
        generator=GeneratorConfig(
            resolution=64,
            mapping=MappingConfig(z_dim=256, w_dim=256),
            # With noise curls of 40,000 images were noise in the planes that the sides see, and stripes in front.
            field=TriGridConfig(
                resolution=64, channels=16, channel_base=3072, channel_max=256, decoder_width=32, noise=False
            ),
            renderer=MarcherConfig(resolution=32, num_coarse=24, num_fine=24),
            superresolution=SuperResolutionConfig(in_resolution=32, widths=(64, 32)),
            background_channel_base=1024,
        ),
        critic=CriticConfig(channel_base=2048, channel_max=192),
    )


def panohead_small_128() -> RunConfig:
    """PanoHead at 128 x 128, for one GPU: panohead_small with twice as many rays and a larger volume."""
    return replace(
        panohead_small(),
        name="panohead_small_128",
        **{
            "generator.resolution": 128,
            "generator.field.resolution": 128,
            "generator.field.channels": 32,
            "generator.renderer.resolution": 64,
            "generator.renderer.num_coarse": 32,
            "generator.renderer.num_fine": 32,
            "generator.superresolution.in_resolution": 64,
            "generator.superresolution.widths": (128, 64),
            "generator.background_channel_base": 8192,
            "generator.field.channel_base": 16384,
            "generator.field.channel_max": 256,
            "critic.channel_base": 16384,
            "critic.channel_max": 256,
            "loop.batch": 32,
            "loop.part": None,
            "loop.total_nimg": 5_000_000,
            "loop.tick_nimg": 4_000,
            "loop.snapshot_nimg": 100_000,
            "schedule.blur_sigma": 2.5,
            "schedule.blur_nimg": 50_000,
            "schedule.swap_nimg": 200_000,
            "schedule.density_noise_nimg": 50_000,
        },
    )


def afhq() -> RunConfig:
    """PanoHead at 512 x 512 for faces of cats, as AFHQ has them: cameras turn about a point behind the face."""
    return replace(panohead(), name="afhq", **{"generator.camera_pivot": (0.0, 0.0, -0.06)})


def shapenet() -> RunConfig:
    """PanoHead at 512 x 512 for objects before white, as in ShapeNet: nearer cameras, a larger box, more samples."""
    return replace(
        panohead(),
        name="shapenet",
        **{
            "generator.field.box_size": 1.6,
            "generator.renderer.near": 0.1,
            "generator.renderer.far": 2.6,
            "generator.renderer.num_coarse": 64,
            "generator.renderer.num_fine": 64,
            "generator.renderer.empty": "white",
            "generator.camera_radius": 1.7,
        },
    )


def panohead_debug() -> RunConfig:
    """PanoHead at 32 x 32 with a few thousand weights: seconds on a CPU, to see that everything works."""
    return replace(
        panohead(),
        name="panohead_debug",
        device="cpu",
        loop=LoopConfig(batch=4, total_nimg=64, tick_nimg=16, snapshot_nimg=32),
        generator=GeneratorConfig(
            resolution=32,
            mapping=MappingConfig(z_dim=32, w_dim=32),
            field=TriGridConfig(resolution=32, channels=8, channel_base=512, channel_max=32, decoder_width=16),
            renderer=MarcherConfig(resolution=16, num_coarse=12, num_fine=12),
            superresolution=SuperResolutionConfig(in_resolution=16, widths=(16, 8)),
            background_channel_base=256,
        ),
        critic=CriticConfig(channel_base=512, channel_max=32, group_size=2),
    )
