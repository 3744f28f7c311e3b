# SPDX-License-Identifier: Apache-2.0
"""Settings that the published checkpoints of PanoHead and EG3D carry, as configurations of ours.

Everything is set as those models were trained, also where the method was not what its paper describes: sample positions
(`published` bins), fading planes at depth 1, the crop. docs/migrating.md lists what differs from our own defaults.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from dnnlib.config import ConfigError
from training.model_config import (
    CriticConfig,
    GeneratorConfig,
    MappingConfig,
    MarcherConfig,
    ShiftConfig,
    SuperResolutionConfig,
    TriGridConfig,
)

_HALF_PRECISION_CLAMP = 256.0


class _SuperResolution(NamedTuple):
    in_resolution: int
    out_resolution: int
    widths: tuple[int, int]
    antialias: bool = True


_SUPERRESOLUTION = {
    "SuperresolutionHybrid8XDC": _SuperResolution(128, 512, (256, 128)),
    "SuperresolutionHybrid8X": _SuperResolution(128, 512, (128, 64)),
    "SuperresolutionHybrid4X": _SuperResolution(128, 256, (128, 64)),
    "SuperresolutionHybrid2X": _SuperResolution(64, 128, (128, 64)),
    "SuperresolutionHybridDeepfp32": _SuperResolution(128, 256, (128, 64), antialias=False),
}


class Family(NamedTuple):
    """What distinguishes the two families where their settings do not say it."""

    axes: Literal["xy_xz_yz", "xy_xz_zx"]
    planar: bool  # Two-dimensional sampling.
    crop: bool  # Pictures leave out the margin of the box.
    rescaled: bool  # Features of a sigmoid are brought to [-1, 1]; always a sigmoid.


PANOHEAD = Family("xy_xz_yz", planar=False, crop=True, rescaled=False)
EG3D = Family("xy_xz_zx", planar=True, crop=False, rescaled=True)


def generator_config(
    init: Mapping[str, Any], rendering: Mapping[str, Any], family: Family, raw_resolution: int
) -> GeneratorConfig:
    """`init` is what the generator was made with, `rendering` its live rendering_kwargs, which may differ."""
    is_panohead = not family.rescaled
    act = rendering.get("decoder_activation", "none") if is_panohead else "sigmoid"
    sr = _superresolution(rendering["superresolution_module"], init["img_resolution"])
    fp16 = init.get("num_fp16_res", 0) > 0
    sr_fp16 = init.get("sr_num_fp16_res", 0) > 0
    shows_camera = not rendering.get("c_gen_conditioning_zero", False)
    camera_scale = float(rendering.get("c_scale", 0.0)) if shows_camera else 0.0
    empty = "zero"
    if act == "sigmoid":
        empty = "white" if rendering.get("white_back", False) else "black"
    elif rendering.get("white_back", False):
        empty = "white"
    near, far = rendering["ray_start"], rendering["ray_end"]
    is_auto = near == far == "auto"
    return GeneratorConfig(
        resolution=init["img_resolution"],
        channels=init.get("img_channels", 3),
        mapping=MappingConfig(
            z_dim=init["z_dim"],
            w_dim=init["w_dim"],
            num_layers=init.get("mapping_kwargs", {}).get("num_layers", 8),
            camera_scale=camera_scale,
        ),
        field=TriGridConfig(
            resolution=rendering.get("triplane_size", 256) if is_panohead else 256,
            depth=rendering.get("triplane_depth", 1) if is_panohead else 1,
            channel_base=init.get("channel_base", 32768),
            channel_max=init.get("channel_max", 512),
            axes=family.axes,
            planar=family.planar,
            box_size=float(rendering["box_warp"]),
            crop_margin=0.1 if family.crop else None,
            decoder_act=act,
            decoder_lr=float(rendering.get("decoder_lr_mul", 1.0)),
        ),
        renderer=MarcherConfig(
            resolution=raw_resolution,
            near=None if is_auto else float(near),
            far=None if is_auto else float(far),
            num_coarse=rendering["depth_resolution"],
            num_fine=rendering["depth_resolution_importance"],
            bins="published",
            spacing="disparity" if rendering.get("disparity_space_sampling", False) else "depth",
            empty=empty,
        ),
        superresolution=SuperResolutionConfig(
            in_resolution=sr.in_resolution,
            widths=sr.widths,
            antialias=sr.antialias and rendering.get("sr_antialias", True),
            noise=rendering.get("superresolution_noise_mode", "none") != "none",
            raw_after_first_block=sr.out_resolution == 2 * sr.in_resolution,
            clamp=_HALF_PRECISION_CLAMP if sr_fp16 else None,
        ),
        camera_radius=float(rendering.get("avg_camera_radius", 2.7)),
        camera_pivot=tuple(float(x) for x in rendering.get("avg_camera_pivot", (0.0, 0.0, 0.0))),
        background=bool(rendering.get("use_background", False)) if is_panohead else False,
        background_channel_base=max(init.get("channel_base", 32768) // 2, 1),
        raw="styled" if is_panohead and rendering.get("use_torgb_raw", False) else "features",
        shift=ShiftConfig(zero_init=False) if is_panohead else None,
        clamp=_HALF_PRECISION_CLAMP if fp16 else None,
    )


def critic_config(class_name: str, init: Mapping[str, Any]) -> CriticConfig:
    """`class_name` is that of the published critic, `init` what it was made with."""
    forms: dict[str, dict[str, Any]] = {
        "MaskDualDiscriminatorV2": {"inputs": ("image", "raw", "mask")},
        "MaskDualDiscriminator": {"inputs": ("image", "raw", "mask"), "mask_tower": True},
        "DualDiscriminator": {"inputs": ("image", "raw")},
        "SingleDiscriminator": {"inputs": ("image",)},
    }
    if class_name not in forms:
        raise ConfigError(
            f"the checkpoint has a critic of the kind {class_name}, which is not supported; those that are: "
            f"{', '.join(forms)}. Its generator can be loaded nevertheless."
        )
    if class_name == "MaskDualDiscriminator":
        forms[class_name]["mask_tower_resolution"] = init.get("seg_resolution", 128)
    clamp = init.get("conv_clamp", _HALF_PRECISION_CLAMP)
    return CriticConfig(
        **forms[class_name],
        channel_base=init.get("channel_base", 32768),
        channel_max=init.get("channel_max", 512),
        group_size=init.get("epilogue_kwargs", {}).get("mbstd_group_size", 4),
        num_half_precision=init.get("num_fp16_res", 4),
        clamp=None if clamp is None else float(clamp),
    )


def _superresolution(dotted_name: str, resolution: int) -> _SuperResolution:
    name = dotted_name.rpartition(".")[2]
    if name not in _SUPERRESOLUTION:
        raise ConfigError(
            f"the checkpoint asks for the super-resolution {dotted_name}, which is not one of the published ones: "
            f"{', '.join(_SUPERRESOLUTION)}"
        )
    sr = _SUPERRESOLUTION[name]
    if sr.out_resolution != resolution:
        raise ConfigError(
            f"the checkpoint makes pictures of {resolution} pixels with {name}, which gives {sr.out_resolution}"
        )
    return sr
