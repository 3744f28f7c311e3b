# SPDX-License-Identifier: Apache-2.0
"""One command makes weights, record, pictures and card of a run; what is committed is what that command wrote."""

import json
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import dataset_tool
import train
from benchmarks import model_card
from benchmarks.shipping import recipes
from benchmarks.shipping.card import card
from benchmarks.shipping.measuring import MODES
from benchmarks.shipping.record import model_files, read_record
from configs import resolve
from configs.assemble import assemble
from dnnlib.config import to_tree
from dnnlib.config_paths import differences, replace
from metrics import command as metrics_command
from tests.training.runs import make_heads
from torch_utils import checkpoint
from training.builder import build_generator
from training.data.commands import synth
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import FrontHeavy, SyntheticSettings
from training.pretrained import load_generator
from training.pretrained.network_file import save_networks
from training.pretrained.sources import MODELS
from training.run_config import RunConfig, save_config

MAX_BYTES = 16_000_000
SHIPPED = sorted(path.stem for path in MODELS.glob("*.safetensors"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has saved networks, with a hole in the head so that it is seen."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    images, masks = make_heads(folder)
    changes = {"data.img_data": images, "data.seg_data": masks, "loop.total_nimg": 64_000, "loss.gamma": 2.0}
    config = replace(resolve("panohead_debug"), **changes, metrics=["fd4_thumbs"])
    save_config(config, folder / "config.json")
    torch.manual_seed(0)
    provenance = {
        "nimg": 2000,
        "elapsed_s": 90.5,
        "began_from": None,
        "code": {"commit": "0123456789abcdef"},
        "made_by": {"torch": "2.13", "device": "cpu", "ranks": 1},
        "data": {"source": images, "items": 24, "digest": "abc"},
    }
    save_networks(folder / "networks-0000002000.safetensors", {"G_ema": build_generator(config.generator)}, provenance)
    rows = [{"nimg": nimg, "metric": "fd4_thumbs", "value": 1e3 / nimg} for nimg in (500, 1000, 2000, 3000)]
    (folder / "metric-fd4_thumbs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def call(run: Path, models: Path, *more: str) -> str:
    arguments = [str(run), f"--models={models}", "--name=mine", "--pictures=4", "--heads=4", "--device=cpu", *more]
    result = CliRunner().invoke(model_card.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_command, "cache_dir", lambda *parts: tmp_path.joinpath("cache", *parts))


def test_one_command_makes_all_of_it_and_measures_once(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(run, tmp_path / "models")
    files = model_files(tmp_path / "models", "mine")
    assert all(path.is_file() for path in files)
    record = read_record(files)
    assert record["weights"]["digest"] == checkpoint.read_header(files.weights)["digest"]
    assert set(record["measured"]) == {*MODES, "heads"}
    assert record["training"]["curves"] == {"fd4_thumbs": [[500, 2.0], [1000, 1.0], [2000, 0.5]]}, "not what came later"
    side = load_generator(files.weights).img_resolution
    with Image.open(files.pictures) as sheet:
        assert sheet.size == (16 * side, 8 * side)
    page = files.card.read_text(encoding="utf-8")
    assert page == card("mine", record)
    assert "Nobody has written down any" in page
    assert str(run.parent) not in page + files.record.read_text(encoding="utf-8"), "no folders of whoever trained"

    monkeypatch.setattr(model_card, "measure", None)
    monkeypatch.setattr(model_card, "samples", lambda *_: None)
    call(run, tmp_path / "models", "--fault=It is noise.", "--fault=It is small.")
    assert read_record(files)["measured"] == record["measured"]
    call(run, tmp_path / "models")
    assert "- It is noise.\n- It is small.\n" in files.card.read_text(encoding="utf-8")


def configuration(command: str) -> RunConfig:
    """What a command of training means."""
    words = shlex.split(command)
    assert words[:2] == ["python", "train.py"]
    given = train.main.make_context("train.py", words[2:]).params
    flags = {name: text for name, text in given.items() if isinstance(text, str) and name not in ("cfg", "run")}
    return assemble(given["cfg"], flags, given["assignments"])


def test_the_training_command_means_the_configuration_of_the_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    config = resolve(str(run / "config.json"))
    command = recipes.training_command(config, "mine")
    assert "--kimg=64" in command
    changed = {path for path, before, now in differences(config, configuration(command)) if before != now}
    assert changed <= {"data.img_data", "data.seg_data"}, "but for the folders of the data"


def test_the_data_command_means_the_settings_of_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SyntheticSettings(
        **{"resolution": 32, "seed": 7, "drift": 0.03, "depth": False, "background": False, "num_identities": 1},
        **{"views_per_identity": 2, "cameras": FrontHeavy(back_share=0.3), "smile": "front", "first_identity": 5},
    )
    told = {"synthetic": to_tree(settings)}
    images, masks = str(tmp_path / "img.zip"), str(tmp_path / "seg.zip")
    build(MakeHead(settings), 2, img_dest=images, seg_dest=masks, settings=told, workers=1, force=False, description="")
    command = recipes.data_command(images, masks)
    assert command.startswith("python dataset_tool.py synth --num 2 --resolution 32")
    assert command.endswith("--img_dest img.zip --seg_dest seg.zip")

    meant = []
    monkeypatch.setattr(synth, "MakeHead", lambda settings, **_: meant.append(settings))
    monkeypatch.setattr(synth, "build", lambda *_, **__: None)
    monkeypatch.setattr(synth, "sheet", lambda *_: torch.zeros(2, 2, 3, dtype=torch.uint8).numpy())
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(dataset_tool.main, shlex.split(command)[2:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert meant == [settings]


def test_a_set_of_photographs_has_no_command(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('{"labels": []}')
    assert recipes.data_command(str(tmp_path), None) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_what_its_record_says(name: str) -> None:
    files = model_files(MODELS, name)
    record = read_record(files)
    assert files.weights.stat().st_size == record["weights"]["bytes"] <= MAX_BYTES
    assert checkpoint.read_header(files.weights)["digest"] == record["weights"]["digest"]
    assert files.card.read_text(encoding="utf-8") == card(name, record)
    assert files.pictures.is_file()
    assert "/root" not in files.record.read_text(encoding="utf-8")
    G = load_generator(name)
    assert G.img_resolution == record["training"]["resolution"]


def test_the_default_model_is_shipped() -> None:
    assert "heads" in SHIPPED
