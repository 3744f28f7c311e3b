# SPDX-License-Identifier: Apache-2.0
"""The command: its flags, its mistakes, its records; the same numbers twice, on two ranks, and after a kill."""

import copy
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import calc_metrics
from configs import resolve
from dnnlib.config import to_json
from dnnlib.config_paths import replace
from metrics import command
from metrics.pictures import GeneratedPictures
from training.builder import build_generator
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.pretrained import load_generator
from training.pretrained.delta import save_delta
from training.pretrained.network_file import save_networks

ROOT = Path(__file__).parents[1]


def make_heads(folder: Path, count: int = 24, resolution: int = 32) -> str:
    images = str(folder / "img.zip")
    make = MakeHead(SyntheticSettings(resolution=resolution, depth=False))
    seg = str(folder / "seg.zip")
    build(make, count, img_dest=images, seg_dest=seg, settings={}, workers=1, force=False, description="heads")
    return images


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has saved networks."""
    folder = tmp_path_factory.mktemp("run")
    config = replace(resolve("panohead_debug"), **{"data.img_data": make_heads(folder)})
    (folder / "config.json").write_text(to_json(config))
    torch.manual_seed(0)
    save_networks(folder / "networks-0000002000.safetensors", {"G_ema": build_generator(config.generator)}, {})
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(command, "cache_dir", lambda *parts: tmp_path.joinpath("cache", *parts))
    return tmp_path / "cache" / "metrics"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(calc_metrics.main, ["--device=cpu", *map(str, arguments)])


def records(folder: Path) -> dict[str, dict]:
    paths = folder.glob("metric-*.jsonl")
    return {path.stem: json.loads(path.read_text().splitlines()[-1]) for path in paths}


def test_a_run_is_measured_and_records_lie_beside_it(run_folder: Path, cache: Path) -> None:
    result = call(f"--network={run_folder}", "--metrics=fd20_thumbs,raw4,mirror4")
    assert result.exit_code == 0, result.output
    row = records(run_folder / "metrics")["metric-fd20_thumbs"]
    assert row["network"]["nimg"] == 2000
    assert row["counts"] == {"generated": 20, "real": 48}
    assert row["data"]["mirrored"], "as in training"
    assert sum(row["data"]["poses"].values()) == pytest.approx(1, abs=1e-3)
    assert (row["seed"], row["render"]["mode"], row["data"]["items"]) == (0, "all", 48)
    assert row["detector"]["name"] == "thumbs"
    assert row["code"]["name"] == "FullHead"
    assert records(run_folder / "metrics")["metric-mirror4"]["value"] is None
    assert "fd20_thumbs" in result.output
    assert not list((cache / "generated").glob("*")), "features of generated pictures are not kept for ever"


def test_a_record_says_how_its_own_views_were_rendered_and_not_those_of_the_mode(
    run_folder: Path, tmp_path: Path
) -> None:
    names = "shift20,raw40,mirror4,id20,maskmse2"
    assert call(f"--network={run_folder}", f"--metrics={names}", "--mode=all", f"--outdir={tmp_path}").exit_code == 0
    render = {name.removeprefix("metric-"): row["render"] for name, row in records(tmp_path).items()}
    assert (render["shift20"]["condition"], render["shift20"]["has_shift"]) == ("own", True)
    own = ("raw40", "mirror4", "id20", "maskmse2")
    assert all((render[name]["condition"], render[name]["has_shift"]) == ("front", False) for name in own)
    assert [render[name]["psi"] for name in own] == [1.0, 1.0, 1.0, 0.7]
    assert render["mirror4"]["poses"]["yaw+000"] == render["mirror4"]["poses"]["yaw+180"] == 0.5
    assert render["maskmse2"]["poses"]["yaw+000"] == 1
    beside = [share for name, share in render["id20"]["poses"].items() if name not in ("yaw+000", "yaw+045", "yaw-045")]
    assert not any(beside), "faces"
    assert sum(share > 0 for share in render["raw40"]["poses"].values()) == 8, "from all around"


def test_the_same_command_gives_the_same_and_another_seed_another(run_folder: Path, tmp_path: Path) -> None:
    values = []
    for i, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(i)
        command_ = [f"--network={run_folder}", "--metrics=fd20_thumbs,kd20_thumbs", f"--seed={seed}", f"--outdir={out}"]
        assert call(*command_).exit_code == 0
        values.append({name: row["value"] for name, row in records(out).items()})
    assert values[0] == values[1]
    assert all(values[0][name] != values[2][name] for name in values[0])


def test_the_flags_of_panohead_are_understood(run_folder: Path, tmp_path: Path) -> None:
    data = [f"--img_data={run_folder / 'img.zip'}", f"--seg_data={run_folder / 'seg.zip'}"]
    network = f"--network={run_folder / 'networks-0000002000.safetensors'}"
    flags = ["--gpus", 1, "--mirror", "True", "--metrics", "fd20_thumbs", "--mode", "back", "--verbose", "True"]
    result = call(network, *data, *flags, f"--outdir={tmp_path}")
    assert result.exit_code == 0, result.output
    row = records(tmp_path)["metric-fd20_thumbs"]
    assert row["data"]["mirrored"]
    assert row["render"]["has_shift"] is False
    poses = row["data"]["poses"]
    assert poses["yaw+000"] == poses["yaw+045"] == poses["yaw-045"] == 0 < poses["yaw+180"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--metrics=fid50k_full"], "--detector=inception=FILE"),
        (["--metrics=nonsense"], "there is no metric"),
        (["--metrics=fd20_thumbs", "--detector=x"], "NAME=FILE"),
        (["--metrics=fd20_thumbs", "--img_data=absent.zip"], "no such folder or zip"),
        (["--metrics=fd20_thumbs", "--network=absent"], "no such file"),
        (["--metrics=fd20_thumbs", f"--outdir={__file__}"], "name a folder with --outdir"),
    ],
)
def test_mistakes_are_told_in_a_sentence(run_folder: Path, flags: list[str], says: str) -> None:
    result = call(f"--network={run_folder}", *flags)
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_sets_that_cannot_be_compared_with_are_refused(run_folder: Path, tmp_path: Path) -> None:
    network = f"--network={run_folder}"
    larger = make_heads(tmp_path, 4, 64)
    assert "pack --resolution 32x32" in call(network, "--metrics=fd20_thumbs", f"--img_data={larger}").output
    (tmp_path / "one").mkdir()
    one = make_heads(tmp_path / "one", 1)
    for name in ("fd20_thumbs", "pr20_thumbs"):
        assert "has 1 images" in call(network, f"--metrics={name}", f"--img_data={one}", "--mirror=False").output
    poor = call(network, "--metrics=fd20_thumbs,kd20_thumbs", f"--img_data={one}", "--mirror=True")
    assert "has 2 images to compare with, and 4 are needed" in poor.output
    assert "generated pictures" not in poor.output, "nothing was rendered for it"
    modes = [
        call(network, "--metrics=fd20_thumbs", f"--img_data={one}", f"--mode={mode}") for mode in ("front", "back")
    ]
    assert sum("no image has an absolute yaw" in mode.output for mode in modes) == 1
    lost = tmp_path / "networks.safetensors"
    lost.write_bytes((run_folder / "networks-0000002000.safetensors").read_bytes())
    assert "--img_data=IMG.zip" in call(f"--network={lost}", "--metrics=fd20_thumbs").output


def test_masks_that_are_gone_are_not_missed(run_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("networks-0000002000.safetensors", "img.zip"):
        (moved / name).write_bytes((run_folder / name).read_bytes())
    config = json.loads((run_folder / "config.json").read_text())
    config["data"] |= {"img_data": str(moved / "img.zip"), "seg_data": str(moved / "gone.zip")}
    (moved / "config.json").write_text(json.dumps(config))
    result = call(f"--network={moved}", "--metrics=fd8_thumbs")
    assert result.exit_code == 0, result.output


def in_a_folder(run_folder: Path, folder: Path) -> Path:
    """The images of the run, unpacked, and a run that was trained on them and skips what is damaged."""
    images = folder / "images"
    with zipfile.ZipFile(run_folder / "img.zip") as archive:
        archive.extractall(images)
    config = json.loads((run_folder / "config.json").read_text())
    config["data"] |= {"img_data": str(images), "damaged": "skip"}
    (folder / "config.json").write_text(json.dumps(config))
    networks = folder / "networks-0000002000.safetensors"
    networks.write_bytes((run_folder / networks.name).read_bytes())
    return images


def test_images_that_the_training_skipped_are_skipped(run_folder: Path, tmp_path: Path) -> None:
    images = in_a_folder(run_folder, tmp_path)
    labels = images / "dataset.json"
    known = json.loads(labels.read_text())
    labels.write_text(json.dumps(known | {"labels": known["labels"][:20]}))

    def num_reals() -> int:
        result = call(f"--network={tmp_path}", "--metrics=fd8_thumbs,fdbins64_thumbs", "--mirror=False")
        assert result.exit_code == 0, result.output
        return records(tmp_path / "metrics")["metric-fd8_thumbs"]["counts"]["real"]

    assert num_reals() == 20, "four have no label"
    picture = sorted(images.rglob("*.png"))[7]
    whole = picture.read_bytes()
    picture.write_bytes(b"no picture")
    assert num_reals() == 19
    assert num_reals() == 19
    picture.write_bytes(whole)
    assert num_reals() == 20


def test_a_broken_image_is_found_before_anything_is_rendered(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = in_a_folder(run_folder, tmp_path)
    sorted(images.rglob("*.png"))[7].write_bytes(b"no picture")
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"skip"', '"error"'))
    monkeypatch.setattr(GeneratedPictures, "renderings", lambda *_: pytest.fail("was rendered"))
    assert "is not a PNG" in call(f"--network={tmp_path}", "--metrics=fd8_thumbs").output


def test_an_inverted_portrait_is_measured_with_what_was_changed_for_it(run_folder: Path, tmp_path: Path) -> None:
    base = load_generator(run_folder, device="cpu")
    tuned = copy.deepcopy(base)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.mul_(1.5)
    save_delta(tmp_path / "delta.safetensors", base, tuned, "base", {})
    network = f"--network={run_folder}"
    for out, flags in (("plain", []), ("tuned", [f"--delta={tmp_path / 'delta.safetensors'}"])):
        result = call(network, "--metrics=fd8_thumbs", f"--outdir={tmp_path / out}", *flags)
        assert result.exit_code == 0, result.output
    plain, changed = (records(tmp_path / out)["metric-fd8_thumbs"] for out in ("plain", "tuned"))
    assert (plain["network"]["delta"], changed["network"]["delta"]) == (None, "delta.safetensors")
    assert plain["network"]["digest"] != changed["network"]["digest"]
    assert plain["value"] != changed["value"]
    wrong = call(network, "--metrics=fd8_thumbs", f"--delta={run_folder / 'networks-0000002000.safetensors'}")
    assert "holds no changes" in wrong.output


@pytest.mark.parametrize("config", ['{"model_type": "diffusion"}', "[]", "{", '{"data": 1}'])
def test_a_config_of_another_program_is_none_of_a_run(run_folder: Path, tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    networks = tmp_path / "networks.safetensors"
    networks.write_bytes((run_folder / "networks-0000002000.safetensors").read_bytes())
    result = call(f"--network={networks}", "--metrics=raw2")
    assert "--img_data=IMG.zip" in result.output
    assert "Traceback" not in result.output


def test_a_data_set_that_changed_meets_no_stale_features(run_folder: Path, tmp_path: Path, cache: Path) -> None:
    def value(images: str) -> float:
        out = tmp_path / "out"
        assert (
            call(f"--network={run_folder}", "--metrics=fd8_thumbs", f"--img_data={images}", f"--outdir={out}").exit_code
            == 0
        )
        return records(out)["metric-fd8_thumbs"]["value"]

    images = make_heads(tmp_path, 6)
    first = value(images)
    build(
        MakeHead(SyntheticSettings(resolution=32, depth=False, seed=5)), 6, img_dest=images,
        seg_dest=str(tmp_path / "seg.zip"), settings={}, workers=1, force=True, description="heads",
    )  # fmt: skip
    assert value(images) != first
    assert len(list((cache / "reals").iterdir())) == 2


def test_grey_pictures_are_pictures_too(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "grey").mkdir()
    with zipfile.ZipFile(run_folder / "img.zip") as archive:
        labels = json.loads(archive.read("dataset.json"))
        names = [name for name, _ in labels["labels"]]
        for name in names:
            (tmp_path / "grey" / name).parent.mkdir(exist_ok=True)
            Image.open(io.BytesIO(archive.read(name))).convert("L").save(tmp_path / "grey" / name)
    (tmp_path / "grey" / "dataset.json").write_text(json.dumps(labels))
    result = call(
        f"--network={run_folder}", "--metrics=fd8_thumbs", f"--img_data={tmp_path / 'grey'}", f"--outdir={tmp_path}"
    )
    assert result.exit_code == 0, result.output
    assert records(tmp_path)["metric-fd8_thumbs"]["value"] > 0


# ----------------------------------------------------------------------------------------------------------------------
# In processes of their own.


def process(run_folder: Path, tmp_path: Path, out: str, *flags: str, start: tuple[str, ...] = ()) -> subprocess.Popen:
    line = [*start, str(ROOT / "calc_metrics.py"), "--device=cpu", f"--network={run_folder}", *flags]
    settings = {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "GLOO_SOCKET_IFNAME": "lo",
        "FULLHEAD_CACHE": str(tmp_path / f"cache-{out}"),
        "FULLHEAD_OPS": "reference",  # Nothing is built for a new cache.
    }
    with (tmp_path / f"{out}.txt").open("w") as said:
        return subprocess.Popen(
            [sys.executable, *line, f"--outdir={tmp_path / out}"], env=os.environ | settings, stdout=said, stderr=said
        )


@pytest.mark.slow
def test_two_ranks_find_what_one_finds(run_folder: Path, tmp_path: Path) -> None:
    flags = "--metrics=fd150_thumbs,kd100_thumbs,pr100_thumbs,kdbins150_thumbs,raw70,shift70"
    for out, gpus in (("one", 1), ("two", 2)):
        assert process(run_folder, tmp_path, out, flags, f"--gpus={gpus}").wait(300) == 0, (
            tmp_path / f"{out}.txt"
        ).read_text()
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert len(one) == 6
    for name, row in one.items():
        assert two[name]["value"] == pytest.approx(row["value"], rel=1e-6), name
        assert two[name]["parts"] == pytest.approx(row["parts"], rel=1e-6), name


@pytest.mark.slow
def test_a_killed_command_goes_on_and_gives_the_same(run_folder: Path, tmp_path: Path) -> None:
    flags = ("--metrics=fd600_thumbs", "--batch=4")
    assert process(run_folder, tmp_path, "whole", *flags).wait(300) == 0
    started = process(run_folder, tmp_path, "killed", *flags)
    kept = tmp_path / "cache-killed" / "metrics" / "generated"
    deadline_s = time.monotonic() + 120
    while len(list(kept.glob("*/*.safetensors"))) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait(60)
    assert not records(tmp_path / "killed")
    done = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.safetensors")}
    again = process(run_folder, tmp_path, "killed", *flags)
    while again.poll() is None:
        changed = [path for path, time_ns in done.items() if path.exists() and path.stat().st_mtime_ns != time_ns]
        assert not changed, "a finished block was computed again"
        time.sleep(0.05)
    assert (
        records(tmp_path / "killed")["metric-fd600_thumbs"]["value"]
        == records(tmp_path / "whole")["metric-fd600_thumbs"]["value"]
    )
