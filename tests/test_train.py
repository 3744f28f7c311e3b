# SPDX-License-Identifier: Apache-2.0
"""The command line of train.py: what it makes of pasted commands, that they run, and how it tells mistakes."""

import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import configs.assemble
from configs.flags import ALL
from dnnlib.config import to_json, to_tree
from dnnlib.config_paths import differences, leaves
from train import main
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.run_config import RunConfig, load_config

ROOT = Path(__file__).resolve().parents[1]

STAGE_1 = """
    --outdir training-runs --img_data IMG.zip --seg_data SEG.zip --cfg=ffhq --batch=32 --gpus 8 --gamma=1 --gamma_seg=1
    --gen_pose_cond=True --mirror=1 --use_torgb_raw=1 --decoder_activation="none" --disc_module MaskDualDiscriminatorV2
    --bcg_reg_prob 0.2 --triplane_depth 3 --density_noise_fade_kimg 200 --density_reg 0 --min_yaw 0 --max_yaw 180
    --back_repeat 4 --trans_reg 10 --gpc_reg_prob 0.7
"""
STAGE_2 = STAGE_1 + "--resume=MODEL.pkl --neural_rendering_resolution_final=128 --resume_kimg 1000"

# What the published code trains with, by our names.
PUBLISHED = {
    "loop.batch": 32,
    "loop.part": None,
    "loop.total_nimg": 25_000_000,
    "loop.tick_nimg": 4_000,
    "loop.snapshot_nimg": 200_000,
    "seed": 0,
    "data.img_data": "IMG.zip",
    "data.seg_data": "SEG.zip",
    "data.use_labels": True,
    "data.mirror": True,
    "data.selection.min_yaw_deg": 0.0,
    "data.selection.max_yaw_deg": 180.0,
    "data.selection.max_pitch_deg": 90.0,
    "data.selection.back_repeat": 4.0,
    "generator.resolution": 512,
    "generator.mapping.z_dim": 512,
    "generator.mapping.w_dim": 512,
    "generator.mapping.num_layers": 2,
    "generator.mapping.camera_scale": 1.0,
    "generator.field.resolution": 256,
    "generator.field.depth": 3,
    "generator.field.channels": 32,
    "generator.field.channel_base": 32768,
    "generator.field.channel_max": 512,
    "generator.field.noise": True,
    "generator.field.box_size": 1.0,
    "generator.field.decoder_width": 64,
    "generator.field.decoder_act": "none",
    "generator.field.decoder_lr": 1.0,
    "generator.renderer.resolution": 64,
    "generator.renderer.near": 2.25,
    "generator.renderer.far": 3.3,
    "generator.renderer.num_coarse": 48,
    "generator.renderer.num_fine": 48,
    "generator.superresolution.in_resolution": 128,
    "generator.superresolution.widths": [256, 128],
    "generator.superresolution.noise": False,
    "generator.camera_radius": 2.7,
    "generator.background": True,
    "generator.background_channel_base": 16384,
    "generator.raw": "styled",
    "generator.shift.num_layers": 2,
    "critic.inputs": ["image", "raw", "mask"],
    "critic.mask_tower": False,
    "critic.channel_base": 32768,
    "critic.channel_max": 512,
    "critic.group_size": 4,
    "critic.clamp": 256.0,
    "loss.gamma": 1.0,
    "loss.gamma_mask": 1.0,
    "loss.r1_every": 16,
    "loss.shift": 10.0,
    "loss.density": 0.0,
    "loss.background_swap": 0.2,
    "loss.style_mixing": 0.0,
    "loss.label_noise": 0.0,
    "schedule.blur_sigma": 10.0,
    "schedule.blur_nimg": 200_000,
    "schedule.swap_probability": 0.7,
    "schedule.swap_nimg": 1_000_000,
    "schedule.density_noise": 1.0,
    "schedule.density_noise_nimg": 200_000,
    "schedule.raw_resolution": None,
    "schedule.raw_resolution_nimg": 1_000_000,
    "augment.mode": "none",
    "generator_adam.lr": 0.0025,
    "generator_adam.beta1": 0.0,
    "generator_adam.beta2": 0.99,
    "critic_adam.lr": 0.002,
    "critic_adam.beta1": 0.0,
    "critic_adam.beta2": 0.99,
    "ema.half_life_nimg": 10_000.0,
    "ema.rampup": 0.05,
    "frozen_critic_layers": 0,
    "numerics.tf32": False,
    "numerics.cudnn_benchmark": True,
    "numerics.compile": False,
    "resume.source": None,
    "resume.start_nimg": 0,
}
# Ours, where the published code knows no such thing or has another machine in mind.
UNCOMPARED = re.compile(
    r"schema_version|name|device|loop\.keep.*|metrics|licence\..*|augment\..*|.*_adam\.eps|resume\.keep_ramps"
    r"|data\.(require_masks|damaged|workers|prefetch|selection\.max_size)"
    r"|generator\.(channels|camera_pivot\..*|camera_pivot|precision|clamp|shift\.zero_init)"
    r"|generator\.field\.(kind|axes|planar|crop_margin)|generator\.renderer\.(bins|spacing|empty|memory_budget_mb)"
    r"|generator\.superresolution\.(antialias|raw_after_first_block|precision|clamp)"
    r"|critic\.(mask_tower_resolution|num_half_precision|precision)"
    r"|loss\.(shift_form|density_kind|density_every|density_step|monotonicity)"
)


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """The command takes over signals and the log; other tests want theirs back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logger = logging.getLogger("fullhead")
    before = (logger.handlers[:], logger.propagate, logger.level)
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def configuration(command: str, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """Of a pasted command whose data have 512 x 512 pixels."""
    monkeypatch.setattr(configs.assemble, "resolution_of_data", lambda _: 512)
    params = main.make_context("train.py", shlex.split(command)).params
    flags = {flag.key: params[flag.key] for flag in ALL if params[flag.key] is not None}
    return configs.assemble.assemble(params["cfg"], flags, params["assignments"])


def test_the_published_first_stage_means_here_what_it_means_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found = leaves(to_tree(configuration(STAGE_1, monkeypatch)))
    assert {path: found[path] for path in PUBLISHED} == PUBLISHED
    assert not [path for path in found if path not in PUBLISHED and not UNCOMPARED.fullmatch(path)]


def test_the_published_second_stage_differs_in_three_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = configuration(STAGE_1, monkeypatch), configuration(STAGE_2, monkeypatch)
    assert {path: new for path, _, new in differences(first, second)} == {
        "resume.source": "MODEL.pkl",
        "resume.start_nimg": 1_000_000,
        "schedule.raw_resolution": 128,
    }


# ----------------------------------------------------------------------------------------------------------------------
# Real runs.

# The published system in the size of a toy.
REDUCED = """
    --gpus 1 --batch=4 --mbstd-group 2 --workers=0 --device=cpu --cbase 512 --cmax 32 --triplane_size 32
    --set generator.mapping.z_dim=32 --set generator.mapping.w_dim=32 --set generator.field.channels=8
    --set generator.field.decoder_width=16 --set generator.renderer.num_coarse=8 --set generator.renderer.num_fine=8
    --set generator.superresolution.widths=16,8 --set loss.r1_every=2
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Flags of a set of heads."""
    folder = tmp_path_factory.mktemp("heads")
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    make = MakeHead(SyntheticSettings(resolution=32))
    build(make, 12, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return f"--img_data={images} --seg_data={masks} "


def run(folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, str(ROOT / "train.py"), *shlex.split(command)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def train(folder: Path, command: str) -> str:
    """The log of a process that trains."""
    return run(folder, command).stderr


@pytest.fixture(scope="module")
def first_stage(data: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where PanoHead's first command was run, and its log."""
    folder = tmp_path_factory.mktemp("stages")
    return folder, train(folder, f"{STAGE_1} {data} {REDUCED} --kimg 0.008")


def test_the_first_published_stage_runs_in_small_size(first_stage: tuple[Path, str]) -> None:
    folder, log = first_stage
    assert f"python train.py --run={Path('training-runs/00000-panohead')}" in log
    first = folder / "training-runs" / "00000-panohead"
    assert (first / "networks-0000000008.safetensors").exists()
    assert load_config(first).generator.resolution == 32


@pytest.mark.slow
def test_the_second_published_stage_begins_with_the_first(first_stage: tuple[Path, str], data: str) -> None:
    folder, _ = first_stage
    first = folder / "training-runs" / "00000-panohead"
    final = f"--resume={first} --neural_rendering_resolution_final=32 --kimg 1000.008"
    train(folder, f"{STAGE_2} {data} {REDUCED} {final}")
    second = folder / "training-runs" / "00001-panohead"
    assert (second / "networks-0001000008.safetensors").exists()
    assert json.loads((second / "stats.jsonl").read_text().splitlines()[-1])["nimg"] == 1_000_008


@pytest.mark.slow
def test_two_processes_train_and_the_run_goes_on_in_one(data: str, tmp_path: Path) -> None:
    flags = f"--cfg=debug {data} --workers=0 --run=run"
    log = train(tmp_path, f"{flags} --kimg=4 --gpus=2 --minutes=0.001")
    assert "The time is over: 4 images, saved." in log
    log = train(tmp_path, "--run=run --kimg=0.016")
    assert "Going on from image 4" in log
    assert (tmp_path / "run" / "networks-0000000016.safetensors").exists()


# ----------------------------------------------------------------------------------------------------------------------
# Dry runs and mistakes.


def invoke(command: str) -> Result:
    return CliRunner().invoke(main, shlex.split(command), catch_exceptions=False)


def test_a_run_that_broke_ends_with_a_sentence(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(f"--cfg=debug --run=x {data} --workers=0 --glr=1e30 --dlr=1e30")
    assert done.exit_code == 1
    assert "Nothing was saved since" in done.stderr
    assert "Traceback" not in done.output


def test_a_dry_run_prints_the_configuration_and_writes_nothing(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(f"--cfg=debug {data} --outdir=runs --kimg=2 --batch-gpu 2 --set seed=3 --dry-run")
    config = json.loads(done.stdout)
    assert (config["loop"]["total_nimg"], config["loop"]["part"], config["seed"]) == (2000, 2, 3)
    assert not list(tmp_path.iterdir())
    for words in (
        r"loop.total_nimg: 64 -> 2000",
        r"Generator: 128,320 parameters",
        r"Predicted memory of the process: \d",
        r"Data: 12 pictures of 32 x 32, masks, cameras",
        r"The run can start",
    ):
        assert re.search(words, done.stderr), words


def test_a_dry_run_in_the_folder_of_another_run_says_that_it_would_be_refused(data: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(to_json(configs.assemble.assemble("debug", {}, ["seed=1"])))
    (tmp_path / "stats.jsonl").touch()
    done = invoke(f"--cfg=debug --run={tmp_path} {data} --dry-run")
    assert done.exit_code == 2
    assert re.search(r"another configuration:\s+seed: 1, now 0\s+Give", done.stderr), done.stderr


def test_a_configuration_that_was_printed_is_the_same_run(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = dict(flag.removeprefix("--").split("=") for flag in shlex.split(data)) | {"batch": "8"}
    config = configs.assemble.assemble("panohead_small", flags, ["loop.part=4"])
    assert config.generator.resolution == 32
    file = tmp_path / "mine.json"
    file.write_text(to_json(config))
    assert configs.assemble.assemble(str(file), flags, []) == config


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--cfg=debgu --run=x", "Did you mean debug"),
        ("--run=x", "x: there is no run yet"),
        ("-n", "say what to train"),
        ("--cfg=debug", "give --outdir=DIR .* or --run=DIR"),
        ("--cfg=debug --run=x --outdir=y", "give --outdir=DIR .* or --run=DIR"),
        ("--cfg=debug --run=x --kimg=many", r"--kimg=many: expected thousands of images"),
        ("--cfg=debug --run=x --minutes=0", r"--minutes=0: give more than 0"),
        ("--cfg=debug --run=x --minutes=nan", r"--minutes=nan: give more than 0"),
        ("--cfg=debug --run=x --batch=0", r"loop.batch: got 0"),
        ("--cfg=debug --run=x --set loop.bach=1", r"Did you mean loop.batch"),
        ("--cfg=debug --run=x", r"no data set is named"),
        ("--cfg=debug --run=x --img_data=none.zip", r"none.zip"),
        ("--cfg=debug --run=x DATA --mbstd-group=3 --batch=9 --batch-gpu=2", r"do not divide the 9"),
        ("--cfg=debug --run=x DATA --gpus=3", r"cannot be shared by 3 processes"),
        ("--cfg=debug --run=x DATA --set generator.resolution=64", r"have 32 x 32 pixels"),
        ("--cfg=debug --run=x DATA --freezed=11", r"the critic has 10 layers"),
        ("--cfg=debug --run=x DATA --cond=False", r"--cond=False"),
        ("--cfg=debug --run=x DATA --resume=none.pkl", r"none.pkl: there is no such file"),
        ("--cfg=debug --run=x DATA --resume=none.pkl -n", r"none.pkl: there is no such file"),
        ("--cfg=debug --run=x DATA --ray_end=1.9", r"near = 2.25 and far = 1.9"),
        ("--cfg=debug --outdir=/proc/x DATA", r"cannot be written|make room"),
    ],
)
def test_a_mistake_is_told_with_exit_code_2_and_leaves_nothing_behind(
    arguments: str, words: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(arguments.replace("DATA", data))
    assert done.exit_code == 2
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


def test_help_names_every_flag_once_with_examples() -> None:
    text = invoke("--help").stdout
    for flag in ALL:
        assert len(re.findall(rf"^  --{flag.name}\b(?![-_])", text, flags=re.MULTILINE)) == 1, flag.name
    assert "python train.py --cfg=panohead_small" in text


def test_flags_may_have_dashes_or_underscores() -> None:
    for spelled in ("--img_data", "--img-data", "--batch-gpu", "--batch_gpu", "--c-scale", "--c_scale", "--dry_run"):
        with_value = [] if spelled == "--dry_run" else ["1"]
        main.make_context("train.py", [spelled, *with_value])
