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
from benchmarks.shipping import recipes, stages
from benchmarks.shipping import record as record_module
from benchmarks.shipping.card import card
from benchmarks.shipping.measuring import MODES
from benchmarks.shipping.record import Record, model_files, read_record, ship_weights, training_facts
from configs import resolve
from configs.assemble import assemble
from dnnlib.config import to_tree
from dnnlib.config_paths import differences, replace
from metrics import command as metrics_command
from tests.training.runs import make_heads
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
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
MAX_FILM_BYTES = 2_000_000
SHIPPED = sorted(path.stem for path in MODELS.glob("*.safetensors"))


def make_run(folder: Path, nimg: int, began_from: dict[str, str] | None = None, **changes: object) -> Path:
    """A run that has saved networks."""
    folder.mkdir()
    images, masks = make_heads(folder)
    data = {"data.img_data": images, "data.seg_data": masks, "loop.total_nimg": 64_000}
    config = replace(resolve("panohead_debug"), **data, metrics=["fd4_thumbs"], **changes)
    save_config(config, folder / "config.json")
    torch.manual_seed(0)
    provenance = {
        "nimg": nimg,
        "elapsed_s": 90.5,
        "began_from": began_from,
        "weights_licence": "Apache-2.0",
        "code": {"commit": "0123456789abcdef"},
        "made_by": {"torch": "2.13", "device": "cpu", "ranks": 1},
        "data": {"source": images, "items": 24, "digest": "abc"},
    }
    networks = folder / f"networks-{nimg:010d}.safetensors"
    save_networks(networks, {"G_ema": build_generator(config.generator)}, provenance)
    rows = [{"nimg": nimg, "metric": "fd4_thumbs", "value": 1e3 / nimg} for nimg in (500, 1000, 2000, 3000)]
    (folder / "metric-fd4_thumbs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "mine", 2000, **{"loss.gamma": 2.0})


def call(run: Path, models: Path, *more: str) -> str:
    arguments = [str(run), f"--models={models}", "--name=mine", "--pictures=4", "--heads=4", "--device=cpu", *more]
    result = CliRunner().invoke(model_card.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_command, "cache_dir", lambda *parts: tmp_path.joinpath("cache", *parts))


@pytest.mark.slow
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
    told = page + files.record.read_text(encoding="utf-8") + json.dumps(checkpoint.read_header(files.weights))
    assert str(run.parent) not in told, "no folders of whoever trained"
    with Image.open(files.film) as film:
        assert film.n_frames == 48
    assert [path.name for path in files.weights.parent.iterdir() if path not in files] == []

    monkeypatch.setattr(model_card, "measure", None)
    monkeypatch.setattr(model_card, "samples", lambda *_: None)
    monkeypatch.setattr(model_card, "film", lambda *_: None)
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


def test_a_run_that_began_with_another_one_is_told_in_two_commands(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_file = run / "networks-0000002000.safetensors"
    copied = str(tmp_path / "copied.safetensors")
    digest = checkpoint.read_header(first_file)["digest"]
    began_from = {"source": copied, "file": "copied.safetensors", "digest": digest}
    changes = {"resume.source": copied, "resume.start_nimg": 2000, "loss.gamma": 3.0}
    longer = make_run(run.parent / "longer", 3000, began_from, **changes)
    facts = training_facts(longer, "mine", "a machine")
    assert facts["curves"] == {"fd4_thumbs": [[500, 2.0], [1000, 1.0], [2000, 0.5], [3000, 1 / 3]]}
    first, second = facts["stages"]
    assert (first["images"], second["images"], facts["images"]) == (2000, 1000, 3000)
    assert "--kimg=2 " in first["command"]
    assert "--run=runs/mine-1" in first["command"]
    assert "--resume=runs/mine-1 --resume_kimg=2" in second["command"]
    assert "--run=runs/mine " in second["command"]

    monkeypatch.chdir(longer)
    meant = configuration(second["command"])
    assert (meant.loss.gamma, meant.resume.start_nimg, meant.loop.total_nimg) == (3.0, 2000, 3000)
    page = card("mine", empty_record(facts))
    assert "Against up to 20 of the 24 pictures (half of them mirrored) of the training set" in page
    assert page.index(first["command"].split()[3]) < page.index("Then, with") < page.index("--resume_kimg=2")
    assert str(tmp_path) not in json.dumps(facts)
    assert str(run.parent) not in json.dumps(facts)

    ship_weights(longer, model_files(tmp_path, "mine"), "fp16")
    header = checkpoint.read_header(tmp_path / "mine.safetensors")
    assert header["provenance"]["began_from"]["digest"] == digest
    assert str(tmp_path) not in json.dumps(header)


def test_a_stage_that_counts_from_nothing_goes_on_where_the_one_before_ended(run: Path) -> None:
    digest = checkpoint.read_header(run / "networks-0000002000.safetensors")["digest"]
    began_from = {"source": str(run), "file": "networks-0000002000.safetensors", "digest": digest}
    again = make_run(run.parent / "again", 500, began_from, **{"resume.source": str(run)})
    facts = training_facts(again, "mine", None)
    assert facts["images"] == 2500
    assert facts["curves"]["fd4_thumbs"][-1] == [2500, 2.0]


def test_a_beginning_that_nobody_can_find_is_refused_and_nothing_is_replaced(tmp_path: Path) -> None:
    began_from = {"source": "/elsewhere/lost.safetensors", "file": "lost.safetensors", "digest": "1"}
    only = make_run(tmp_path / "tuned", 1000, began_from, **{"resume.source": "/elsewhere/lost.safetensors"})
    result = CliRunner().invoke(model_card.main, [str(only), f"--models={tmp_path / 'models'}"])
    assert result.exit_code != 0
    assert "no run beside it" in result.output
    assert not list((tmp_path / "models").iterdir())


def test_networks_without_a_licence_are_not_shipped(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "told", lambda networks: stages.told(networks) | {"weights_licence": None})
    with pytest.raises(CheckpointError, match=r"--set=licence\.weights=Apache-2\.0"):
        training_facts(run, "mine", None)


def test_weights_that_everybody_has_are_named_as_a_beginning(tmp_path: Path) -> None:
    began_from = {"source": "heads", "file": "heads.safetensors", "digest": "1"}
    only = make_run(tmp_path / "tuned", 1000, began_from, **{"resume.source": "heads"})
    facts = training_facts(only, "mine", None)
    assert len(facts["stages"]) == 1
    assert "--resume=heads " in facts["stages"][0]["command"] + " "
    assert "which began with the weights of heads.safetensors:" in card("mine", empty_record(facts))


def test_images_are_counted_to_the_last_one(run: Path) -> None:
    config = replace(resolve(str(run / "config.json")), **{"loop.total_nimg": 2_000_032})
    command = recipes.training_command(config, "mine", ranks=8)
    assert "--kimg=2000.032 " in command
    assert "--gpus=8" in command


def empty_record(training: Record) -> Record:
    """Of a model that was hardly measured."""
    row = {"value": 1.0, "spread": None, "counts": {"real": 20}}
    return {
        "weights": {"bytes": 1, "stored": "fp16", "alike_db": 70.0, "digest": "0"},
        "training": training,
        "measured_with": {"data": {"items": 24, "mirrored": True}},
        "measured": {**{mode: {"fd4_thumbs": row} for mode in MODES}, "heads": {}},
        "faults": [],
    }


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
    assert files.film.stat().st_size < MAX_FILM_BYTES
    assert "/root" not in files.record.read_text(encoding="utf-8")
    G = load_generator(name)
    assert G.img_resolution == record["training"]["resolution"]


def test_the_default_model_is_shipped() -> None:
    assert "heads" in SHIPPED
