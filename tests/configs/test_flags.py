# SPDX-License-Identifier: Apache-2.0
"""Every flag does to the configuration what PanoHead's flag of that name means."""

import logging
import re
from typing import Any

import pytest

from configs import resolve
from configs.assemble import assemble, with_flags
from configs.flags import ALL
from dnnlib.config import ConfigError
from dnnlib.config_paths import differences
from training.run_config import RunConfig

# The options of the published train.py that the command itself has.
OF_THE_COMMAND = {"outdir", "cfg", "gpus", "desc", "dry-run"}
PUBLISHED = """
    img_data seg_data batch gamma gamma_seg cond mirror aug resume resume_kimg freezed p target batch-gpu cbase
    cmax glr dlr map-depth mbstd-group metrics kimg tick snap seed workers nobench
    neural_rendering_resolution_initial neural_rendering_resolution_final neural_rendering_resolution_fade_kimg
    g_architecture blur_fade_kimg gen_pose_cond c-scale c-noise gpc_reg_prob gpc_reg_fade_kimg disc_c_noise
    sr_noise_mode resume_blur sr_num_fp16_res g_num_fp16_res d_num_fp16_res sr_first_cutoff sr_first_stopband
    style_mixing_prob sr-module density_reg density_reg_every density_reg_p_dist density_noise_fade_kimg reg_type
    decoder_lr_mul decoder_activation use_torgb_raw use_background bcg_reg_prob disc_module seg_resolution
    seg_channels triplane_size triplane_depth trans_reg max_yaw min_yaw back_repeat ray_start ray_end
""".split()  # noqa: SIM905

# Flag, text, and all that it changes in the configuration `panohead`.
EFFECTS: list[tuple[str, str, dict[str, Any]]] = [
    ("img_data", "a.zip", {"data.img_data": "a.zip"}),
    ("seg_data", "b.zip", {"data.seg_data": "b.zip"}),
    ("mirror", "False", {"data.mirror": False}),
    ("mirror", "0", {"data.mirror": False}),
    ("cond", "no", {"data.use_labels": False}),
    ("min_yaw", "30", {"data.selection.min_yaw_deg": 30.0}),
    ("max_yaw", "90", {"data.selection.max_yaw_deg": 90.0}),
    ("back_repeat", "4", {"data.selection.back_repeat": 4.0}),
    ("workers", "3", {"data.workers": 3}),
    ("batch", "8", {"loop.batch": 8, "schedule.blur_nimg": 50_000, "ema.half_life_nimg": 2_500.0}),
    ("batch", "64", {"loop.batch": 64, "schedule.blur_nimg": 400_000, "ema.half_life_nimg": 20_000.0}),
    ("batch-gpu", "4", {"loop.part": 4}),
    ("kimg", "1000", {"loop.total_nimg": 1_000_000}),
    ("kimg", "0.5", {"loop.total_nimg": 500}),
    ("tick", "1", {"loop.tick_nimg": 1000, "loop.snapshot_nimg": 50_000}),
    ("snap", "10", {"loop.snapshot_nimg": 40_000}),
    ("metrics", "fd1k_thumbs,fd10k_thumbs", {"metrics": ["fd1k_thumbs", "fd10k_thumbs"]}),
    ("metrics", "none", {}),
    ("seed", "7", {"seed": 7}),
    ("device", "cpu", {"device": "cpu"}),
    ("nobench", "True", {"numerics.cudnn_benchmark": False}),
    ("resume", "G.pkl", {"resume.source": "G.pkl"}),
    ("resume_kimg", "1000", {"resume.start_nimg": 1_000_000}),
    ("resume_blur", "True", {"resume.keep_ramps": True}),
    ("freezed", "10", {"frozen_critic_layers": 10}),
    ("gamma", "5", {"loss.gamma": 5.0}),
    ("gamma_seg", "2", {"loss.gamma_mask": 2.0}),
    ("trans_reg", "1", {"loss.shift": 1.0}),
    ("density_reg", "0.25", {"loss.density": 0.25}),
    ("density_reg_every", "8.0", {"loss.density_every": 8}),
    ("density_reg_p_dist", "0.01", {"loss.density_step": 0.01}),
    ("reg_type", "monotonic-fixed", {"loss.density_kind": "monotonic-fixed"}),
    ("reg_type", "total-variation", {"loss.density_kind": "total-variation"}),
    ("bcg_reg_prob", "0.1", {"loss.background_swap": 0.1}),
    ("style_mixing_prob", "0.5", {"loss.style_mixing": 0.5}),
    ("disc_c_noise", "1", {"loss.label_noise": 1.0}),
    ("glr", "0.001", {"generator_adam.lr": 0.001}),
    ("dlr", "0.001", {"critic_adam.lr": 0.001}),
    ("blur_fade_kimg", "100", {"schedule.blur_nimg": 100_000}),
    ("blur_fade_kimg", "0", {"schedule.blur_nimg": 0}),
    ("gpc_reg_prob", "0.5", {"schedule.swap_probability": 0.5}),
    ("gpc_reg_fade_kimg", "10", {"schedule.swap_nimg": 10_000}),
    ("density_noise_fade_kimg", "0", {"schedule.density_noise_nimg": 0}),
    ("neural_rendering_resolution_initial", "32", {"generator.renderer.resolution": 32}),
    ("neural_rendering_resolution_final", "128", {"schedule.raw_resolution": 128}),
    ("neural_rendering_resolution_fade_kimg", "500", {"schedule.raw_resolution_nimg": 500_000}),
    ("aug", "ada", {"augment.mode": "adaptive"}),
    ("aug", "fixed", {"augment.mode": "fixed"}),
    ("aug", "noaug", {}),
    ("p", "0.3", {"augment.p": 0.3}),
    ("target", "0.5", {"augment.target": 0.5}),
    ("c-scale", "2", {"generator.mapping.camera_scale": 2.0}),
    ("gen_pose_cond", "False", {"generator.mapping.camera_scale": 0.0}),
    ("gen_pose_cond", "True", {}),
    ("map-depth", "4", {"generator.mapping.num_layers": 4, "generator.shift.num_layers": 4}),
    (
        "cbase",
        "16384",
        {
            "generator.field.channel_base": 16384,
            "generator.background_channel_base": 8192,
            "critic.channel_base": 16384,
        },
    ),
    ("cmax", "256", {"generator.field.channel_max": 256, "critic.channel_max": 256}),
    ("g_architecture", "skip", {}),
    ("triplane_size", "128", {"generator.field.resolution": 128}),
    ("triplane_depth", "1", {"generator.field.depth": 1}),
    ("decoder_lr_mul", "0.5", {"generator.field.decoder_lr": 0.5}),
    ("decoder_activation", "sigmoid", {"generator.field.decoder_act": "sigmoid"}),
    ("use_torgb_raw", "False", {"generator.raw": "features"}),
    ("use_background", "False", {"generator.background": False}),
    ("ray_start", "2", {"generator.renderer.near": 2.0}),
    ("ray_end", "3", {"generator.renderer.far": 3.0}),
    (
        "sr-module",
        "training.superresolution.SuperresolutionHybrid8X",
        {"generator.superresolution.widths": [128, 64]},
    ),
    ("sr_noise_mode", "random", {"generator.superresolution.noise": True}),
    ("g_num_fp16_res", "4", {"generator.precision": "bf16", "generator.clamp": 256.0}),
    ("g_num_fp16_res", "0", {}),
    (
        "sr_num_fp16_res",
        "4",
        {"generator.superresolution.precision": "bf16", "generator.superresolution.clamp": 256.0},
    ),
    ("sr_num_fp16_res", "0", {"generator.superresolution.precision": "fp32"}),
    ("disc_module", "MaskDualDiscriminatorV2", {}),
    ("disc_module", "MaskDualDiscriminator", {"critic.mask_tower": True}),
    ("disc_module", "training.dual_discriminator.DualDiscriminator", {"critic.inputs": ["image", "raw"]}),
    ("mbstd-group", "8", {"critic.group_size": 8}),
    ("seg_resolution", "64", {"critic.mask_tower_resolution": 64}),
    ("seg_channels", "1", {}),
    ("d_num_fp16_res", "3", {"critic.num_half_precision": 3, "critic.precision": "bf16"}),
    ("c-noise", "0.1", {}),
    ("sr_first_cutoff", "2", {}),
    ("sr_first_stopband", "4", {}),
]


def changed_by(flags: dict[str, str], base: RunConfig) -> dict[str, Any]:
    return {path: new for path, _, new in differences(base, with_flags(base, flags))}


def key(name: str) -> str:
    return name.replace("-", "_")


def test_every_published_option_is_a_flag() -> None:
    assert set(PUBLISHED) <= {flag.name for flag in ALL}
    assert {flag.name for flag in ALL} - set(PUBLISHED) == {"device"}
    assert len({flag.key for flag in ALL}) == len(ALL)


def test_every_flag_has_its_effect_in_the_list() -> None:
    assert {name for name, *_ in EFFECTS} == {flag.name for flag in ALL}


@pytest.mark.parametrize(("name", "text", "effect"), EFFECTS, ids=[f"{name}={text}" for name, text, _ in EFFECTS])
def test_a_flag_changes_its_fields_and_no_others(name: str, text: str, effect: dict[str, Any]) -> None:
    assert changed_by({key(name): text}, resolve("panohead")) == effect


def test_flags_apply_in_the_order_of_the_table() -> None:
    expected = {"loop.batch": 8, "schedule.blur_nimg": 25_000, "ema.half_life_nimg": 2_500.0}
    for flags in ({"blur_fade_kimg": "100", "batch": "8"}, {"batch": "8", "blur_fade_kimg": "100"}):
        assert changed_by(flags, resolve("panohead")) == expected
    both = changed_by({"snap": "10", "tick": "1"}, resolve("panohead"))
    assert both == {"loop.tick_nimg": 1000, "loop.snapshot_nimg": 10_000}


def test_a_batch_that_is_there_already_changes_nothing() -> None:
    small = with_flags(resolve("panohead"), {"batch": "8"})
    assert changed_by({"batch": "8"}, small) == {}


def test_a_batch_keeps_a_part_that_divides_it() -> None:
    base = with_flags(resolve("panohead"), {"batch_gpu": "8"})
    assert "loop.part" not in changed_by({"batch": "16"}, base)
    assert changed_by({"batch": "4"}, base)["loop.part"] is None


def test_pose_conditioning_comes_back_where_it_was_off() -> None:
    without = with_flags(resolve("panohead"), {"gen_pose_cond": "False"})
    assert changed_by({"gen_pose_cond": "1"}, without) == {"generator.mapping.camera_scale": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mirror", "maybe", "expected true or false"),
        ("kimg", "long", "expected thousands of images"),
        ("kimg", "nan", "expected thousands of images"),
        ("snap", "1.5", "expected a number of ticks"),
        ("batch", "0", "loop.batch: got 0"),
        ("aug", "adaptive", "expected one of noaug, fixed, ada"),
        ("reg_type", "l1-alt", "choose l1"),
        ("g_architecture", "resnet", "only `skip`"),
        ("disc_module", "Dummy", "expected one of MaskDualDiscriminatorV2"),
        ("seg_channels", "3", "1 channel"),
        ("metrics", "fiddle", "there is no metric 'fiddle'"),
        ("gamma", "much", "--gamma=much: .*expected a number"),
        ("gpc_reg_prob", "1.5", "schedule.swap_probability: got 1.5"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_flag_and_what_was_expected(name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        with_flags(resolve("panohead"), {key(name): text})
    assert f"--{name}={text}" in str(error.value)
    assert re.search(words, str(error.value))


def test_set_wins_over_a_flag_and_a_flag_over_the_configuration() -> None:
    assert assemble("panohead", {"gamma": "5"}, []).loss.gamma == 5
    assert assemble("panohead", {"gamma": "5"}, ["loss.gamma=3"]).loss.gamma == 3


def test_flags_without_effect_say_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        config = assemble("panohead", {"c_noise": "0.5", "metrics": "fid50k_full,fd1k_thumbs"}, [])
    assert config.metrics == ("fd1k_thumbs",)
    assert "fid50k_full: needs networks in files" in caplog.text
    assert "--c-noise has no effect" in caplog.text
