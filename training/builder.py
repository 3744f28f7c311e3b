# SPDX-License-Identifier: Apache-2.0
"""Configurations to modules: what stands in which slot."""

import math

import torch

from training.adaptation import CameraShift
from training.cameras import LABEL_DIM
from training.discriminator import Discriminator
from training.fields.decoder import Decoder
from training.fields.trigrid import TriGridField
from training.generator import Generator
from training.model_config import CriticConfig, GeneratorConfig, Precision
from training.networks.critic import Head, Tower
from training.networks.mapping import MappingNetwork
from training.networks.modulated import ToImage
from training.networks.superresolution import SuperResolution
from training.networks.synthesis import SynthesisNetwork, channels_at
from training.post import ImagePost
from training.rendering.marching import ImportanceMarcher
from training.warps.base import IdentityWarp

_DTYPES: dict[Precision, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_EMPTY = {"zero": 0.0, "black": -1.0, "white": 1.0}


def build_generator(config: GeneratorConfig, c_dim: int = LABEL_DIM) -> Generator:
    """A generator with fresh weights, which follow from PyTorch's random state."""
    _require_power_of_two(config.resolution, "generator.resolution")
    _require_power_of_two(config.field.resolution, "generator.field.resolution")
    mapping, field = config.mapping, config.field
    shared = {"w_dim": mapping.w_dim, "dtype": _DTYPES[config.precision], "clamp": config.clamp}
    planes = SynthesisNetwork(
        field.resolution,
        3 * field.depth * field.channels,
        name="planes",
        channel_base=field.channel_base,
        channel_max=field.channel_max,
        **shared,
    )
    decoder = Decoder(
        field.channels,
        field.channels,
        hidden=field.decoder_width,
        colour_act=field.decoder_act,
        lr_multiplier=field.decoder_lr,
    )
    trigrid = TriGridField(
        planes,
        decoder,
        depth=field.depth,
        num_channels=field.channels,
        box_size=field.box_size,
        axes=field.axes,
        planar=field.planar,
        crop_margin=field.crop_margin,
    )
    sr = config.superresolution
    background = None
    if config.background:
        background = SynthesisNetwork(
            sr.in_resolution,
            field.channels,
            name="background",
            channel_base=config.background_channel_base,
            channel_max=field.channel_max,
            **shared,
        )
    post = ImagePost(
        background,
        ToImage(field.channels, config.channels, w_dim=mapping.w_dim) if config.raw == "styled" else None,
        SuperResolution(
            sr.in_resolution,
            config.resolution,
            in_channels=field.channels,
            widths=sr.widths,
            image_channels=config.channels,
            w_dim=mapping.w_dim,
            antialias=sr.antialias,
            dtype=_DTYPES[sr.precision],
            clamp=sr.clamp,
        ),
        image_channels=config.channels,
        noise=sr.noise,
        raw_after_first_block=sr.raw_after_first_block,
    )
    marcher = config.renderer
    renderer = ImportanceMarcher(
        near=marcher.near,
        far=marcher.far,
        num_coarse=marcher.num_coarse,
        num_fine=marcher.num_fine,
        bins=marcher.bins,
        spacing=marcher.spacing,
        empty=_EMPTY[marcher.empty],
        memory_budget=marcher.memory_budget_mb * 2**20,
    )
    adaptation = None
    if config.shift is not None:
        adaptation = CameraShift(
            mapping.z_dim,
            c_dim,
            num_layers=config.shift.num_layers,
            camera_scale=mapping.camera_scale,
            zero_init=config.shift.zero_init,
        )
    return Generator(
        config,
        c_dim=c_dim,
        mapping_network=MappingNetwork(mapping.z_dim, c_dim, mapping.w_dim, num_layers=mapping.num_layers),
        field=trigrid,
        num_ws=planes.num_ws,
        warp=IdentityWarp(),
        renderer=renderer,
        post=post,
        adaptation=adaptation,
    )


def build_critic(
    config: CriticConfig, *, resolution: int, image_channels: int = 3, c_dim: int = LABEL_DIM
) -> Discriminator:
    """A critic with fresh weights, which follow from PyTorch's random state."""
    _require_power_of_two(resolution, "the critic's resolution")
    channels = {"image": image_channels, "raw": image_channels, "mask": 1}
    shown = [name for name in config.inputs if not (name == "mask" and config.mask_tower)]
    largest = [resolution >> i for i in range(config.num_half_precision)]
    shared = {"channel_base": config.channel_base, "channel_max": config.channel_max, "clamp": config.clamp}
    tower = Tower(
        resolution,
        sum(channels[name] for name in shown),
        dtypes=dict.fromkeys(largest, _DTYPES[config.precision]),
        **shared,
    )
    mask_tower = Tower(config.mask_tower_resolution, 1, **shared) if config.mask_tower else None
    head = Head(
        tower.out_channels,
        c_dim=c_dim,
        embed_dim=channels_at(4, config.channel_base, config.channel_max),
        group_size=config.group_size,
        clamp=config.clamp,
    )
    return Discriminator(
        config,
        c_dim=c_dim,
        resolution=resolution,
        image_channels=image_channels,
        tower=tower,
        mask_tower=mask_tower,
        head=head,
    )


def _require_power_of_two(size: int, what: str) -> None:
    if not math.log2(size).is_integer():
        below = 2 ** int(math.log2(size))
        raise ValueError(f"{what} must be a power of two, not {size}: choose {below} or {2 * below}.")
