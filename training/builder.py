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
    _require_power_of_two(config.superresolution.in_resolution, "generator.superresolution.in_resolution")
    mapping, field = config.mapping, config.field
    if c_dim < LABEL_DIM:
        raise ValueError(
            f"A generator's conditions begin with the {LABEL_DIM} numbers of a camera; {c_dim} are too few."
        )
    if field.planar and field.depth != 1:
        raise ValueError(
            f"Planar fields have single planes: set field.depth to 1 instead of {field.depth}, or planar off."
        )
    if field.crop_margin is not None and field.crop_margin >= field.box_size / 2:
        raise ValueError(f"field.crop_margin {field.crop_margin:g} leaves nothing of a box of side {field.box_size:g}.")
    if config.raw == "features" and field.channels < config.channels:
        raise ValueError(f"{field.channels} features cannot be {config.channels} colours: raise field.channels.")
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
        planar=field.depth == 1 if field.planar is None else field.planar,
        noise=field.noise,
        crop_margin=field.crop_margin,
        dtype=_DTYPES[config.precision],
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
            dtype=_DTYPES[sr.precision or config.precision],
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
        conditions={"camera": LABEL_DIM, **({"other": c_dim - LABEL_DIM} if c_dim > LABEL_DIM else {})},
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
    if not config.inputs or len(set(config.inputs)) < len(config.inputs):
        raise ValueError(f"A critic is shown some of image, raw and mask, each once, not {list(config.inputs)}.")
    if config.mask_tower and not {"mask"} < set(config.inputs):
        raise ValueError("A tower for the mask stands beside another: inputs must name the mask and something else.")
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
    if size < 1 or not math.log2(size).is_integer():
        below = 2 ** int(math.log2(max(size, 1)))
        raise ValueError(f"{what} must be a power of two, not {size}: choose {below} or {2 * below}.")
