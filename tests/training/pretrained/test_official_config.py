# SPDX-License-Identifier: Apache-2.0
"""Every setting of a published checkpoint reaches our configuration, or is refused."""

from typing import Any

import pytest

from dnnlib.config import ConfigError, to_tree
from dnnlib.config_paths import differences
from tests.training.golden import INIT, RENDERING
from training.model_config import CriticConfig, GeneratorConfig
from training.pretrained.official_config import EG3D, PANOHEAD, Family, critic_config, generator_config

FIRST = generator_config(INIT, RENDERING, PANOHEAD, 64)
SR = "training.superresolution."


def changed(
    init: dict[str, Any] | None = None, rendering: dict[str, Any] | None = None, family: Family = PANOHEAD
) -> dict[str, Any]:
    config = generator_config(INIT | (init or {}), RENDERING | (rendering or {}), family, 64)
    return {path: after for path, _, after in differences(FIRST, config)}


def test_the_published_model_is_ours_with_what_is_named_here() -> None:
    published = {path: after for path, _, after in differences(GeneratorConfig(), FIRST)}
    assert published == {
        "renderer.bins": "published",
        "field.planar": False,
        "shift.zero_init": False,
        "superresolution.clamp": 256.0,
    }


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("triplane_size", 128, {"field.resolution": 128}),
        ("triplane_depth", 1, {"field.depth": 1}),
        ("decoder_activation", "lrelu", {"field.decoder_act": "lrelu"}),
        ("decoder_activation", "sigmoid", {"field.decoder_act": "sigmoid", "renderer.empty": "black"}),
        ("decoder_lr_mul", 0.5, {"field.decoder_lr": 0.5}),
        ("box_warp", 2, {"field.box_size": 2.0}),
        ("use_torgb_raw", False, {"raw": "features"}),
        ("use_background", False, {"background": False}),
        ("sr_antialias", False, {"superresolution.antialias": False}),
        ("superresolution_noise_mode", "random", {"superresolution.noise": True}),
        ("depth_resolution", 64, {"renderer.num_coarse": 64}),
        ("depth_resolution_importance", 32, {"renderer.num_fine": 32}),
        ("ray_start", 2.1, {"renderer.near": 2.1}),
        ("ray_end", 3, {"renderer.far": 3.0}),
        ("disparity_space_sampling", True, {"renderer.spacing": "disparity"}),
        ("white_back", True, {"renderer.empty": "white"}),
        ("c_scale", 0.25, {"mapping.camera_scale": 0.25}),
        ("c_gen_conditioning_zero", True, {"mapping.camera_scale": 0.0}),
        ("superresolution_module", SR + "SuperresolutionHybrid8X", {"superresolution.widths": [128, 64]}),
    ],
)
def test_a_live_setting_is_honoured(key: str, value: object, wanted: dict[str, Any]) -> None:
    assert changed(rendering={key: value}) == wanted


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("z_dim", 64, {"mapping.z_dim": 64}),
        ("w_dim", 128, {"mapping.w_dim": 128}),
        ("mapping_kwargs", {"num_layers": 4}, {"mapping.num_layers": 4}),
        ("mapping_kwargs", {}, {"mapping.num_layers": 8}),
        ("channel_base", 16384, {"field.channel_base": 16384, "background_channel_base": 8192}),
        ("channel_max", 256, {"field.channel_max": 256}),
        ("num_fp16_res", 4, {"clamp": 256.0}),
        ("sr_num_fp16_res", 0, {"superresolution.clamp": None}),
        ("img_channels", 1, {"channels": 1}),
    ],
)
def test_how_it_was_made_is_honoured(key: str, value: object, wanted: dict[str, Any]) -> None:
    assert changed(init={key: value}) == wanted


def test_limits_from_the_box() -> None:
    both = changed(rendering={"ray_start": "auto", "ray_end": "auto"})
    assert both == {"renderer.near": None, "renderer.far": None}


def test_a_missing_camera_scale_hides_the_camera() -> None:
    rendering = {key: value for key, value in RENDERING.items() if key != "c_scale"}
    assert generator_config(INIT, rendering, PANOHEAD, 64).mapping.camera_scale == 0.0


@pytest.mark.parametrize(
    ("name", "resolution", "enters_at", "adds_to_raw"),
    [
        ("SuperresolutionHybrid4X", 256, 128, True),
        ("SuperresolutionHybrid2X", 128, 64, True),
        ("SuperresolutionHybridDeepfp32", 256, 128, True),
    ],
)
def test_smaller_pictures(name: str, resolution: int, enters_at: int, adds_to_raw: bool) -> None:
    rendering = RENDERING | {"superresolution_module": SR + name}
    config = generator_config(INIT | {"img_resolution": resolution}, rendering, PANOHEAD, 96)
    assert config.resolution == resolution
    assert config.renderer.resolution == 96
    assert config.superresolution.in_resolution == enters_at
    assert config.superresolution.raw_after_first_block == adds_to_raw
    assert config.superresolution.antialias == (name != "SuperresolutionHybridDeepfp32")


def test_eg3d() -> None:
    config = generator_config(INIT, RENDERING, EG3D, 128)
    tree = to_tree(config)
    assert tree["field"]["axes"] == "xy_xz_zx"
    assert (config.field.depth, config.field.planar, config.field.crop_margin) == (1, True, None)
    assert (config.field.decoder_act, config.renderer.empty, config.raw) == ("sigmoid", "black", "features")
    assert config.background is False
    assert config.shift is None
    assert config.renderer.resolution == 128
    assert generator_config(INIT, RENDERING | {"white_back": True}, EG3D, 128).renderer.empty == "white"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"superresolution_module": "mine.Better"}, "super-resolution mine.Better, which is not .*8XDC"),
        ({"superresolution_module": SR + "SuperresolutionHybrid2X"}, "512 pixels with .*2X, which gives 128"),
        ({"decoder_activation": "tanh"}, "decoder_act"),
    ],
)
def test_settings_that_are_not_published_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generator_config(INIT, RENDERING | changes, PANOHEAD, 64)


@pytest.mark.parametrize(
    ("name", "init", "wanted"),
    [
        ("MaskDualDiscriminatorV2", {}, {}),
        ("DualDiscriminator", {}, {"inputs": ["image", "raw"]}),
        ("SingleDiscriminator", {}, {"inputs": ["image"]}),
        ("MaskDualDiscriminator", {}, {"mask_tower": True}),
        ("MaskDualDiscriminator", {"seg_resolution": 64}, {"mask_tower": True, "mask_tower_resolution": 64}),
        ("MaskDualDiscriminatorV2", {"seg_resolution": 64}, {}),
        ("DualDiscriminator", {"channel_base": 16384}, {"inputs": ["image", "raw"], "channel_base": 16384}),
        ("MaskDualDiscriminatorV2", {"channel_max": 256}, {"channel_max": 256}),
        ("MaskDualDiscriminatorV2", {"num_fp16_res": 0}, {"num_half_precision": 0}),
        ("MaskDualDiscriminatorV2", {"conv_clamp": None}, {"clamp": None}),
        ("MaskDualDiscriminatorV2", {"conv_clamp": 128}, {"clamp": 128.0}),
        ("MaskDualDiscriminatorV2", {"epilogue_kwargs": {"mbstd_group_size": 8}}, {"group_size": 8}),
        ("MaskDualDiscriminatorV2", {"epilogue_kwargs": {}}, {}),
    ],
)
def test_critics(name: str, init: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert {path: after for path, _, after in differences(CriticConfig(), critic_config(name, init))} == wanted


@pytest.mark.parametrize("name", ["DummyDualDiscriminator", "os.system", ""])
def test_a_critic_that_is_not_supported_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"not supported.*MaskDualDiscriminatorV2.*generator can be loaded"):
        critic_config(name, {})
