# SPDX-License-Identifier: Apache-2.0
"""The page shows what there is, gives every command, needs nothing but its folder, and says what it is."""

import dataclasses
import html
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import demo
from tests.docs.test_readme import entry_of, understood
from tests.training.small import small_generator
from tour.checks import Checked
from tour.doing import Outcome, Tour
from tour.page import page
from tour.parts import Part, parts
from tour.sizes import FULL, QUICK
from training.pretrained.network_file import save_networks

CHECKED = [Checked("operators", True, "fine", 0.1), Checked("heads", False, "1 < 2 heads", 0.1)]


def tour_of(folder: Path, **outcomes: Outcome) -> Tour:
    tour = Tour(folder, parts(folder, FULL, "heads"), "heads")
    tour.outcomes |= outcomes
    return tour


def with_heads(folder: Path) -> Path:
    """What the first part leaves, in small."""
    own = folder / "heads"
    own.mkdir()
    for name in ("turn.gif", "grid0000.png", "shape.png"):
        Image.new("RGB", (8, 4)).save(own / name)
    (own / "seed0000.glb").write_bytes(b"glTF")
    return own


def test_every_command_stands_there_to_be_copied(tmp_path: Path) -> None:
    text = html.unescape(page(tour_of(tmp_path), CHECKED, "a machine")).replace(" \\\n   ", "")
    for part in parts(tmp_path, FULL, "heads"):
        for command in part.commands:
            assert shlex.join(["python", *command]) in text


@pytest.mark.parametrize("sizes", [FULL, QUICK, dataclasses.replace(FULL, model_resolution=512)])
def test_every_command_is_one_of_ours_and_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes) -> None:
    monkeypatch.chdir(tmp_path)
    for part in parts(Path("demo"), sizes, "heads"):
        for own in part.makes:
            assert Path("demo", part.name) in own.parents, "a part writes to its own folder"
        for command in part.commands:
            understood(*entry_of(["python", *command]))


def test_a_page_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    with_heads(tmp_path)
    (tmp_path / "heads" / "turn.mp4").touch()
    text = page(tour_of(tmp_path, heads=Outcome("done", 61)), CHECKED, "a machine")
    assert "<script" not in text
    assert "http" not in text
    linked = re.findall(r'(?:src|poster|href)="([^"#]+)"', text)
    assert {"heads/turn.mp4", "heads/turn.gif", "heads/grid0000.png", "heads/seed0000.glb"} <= set(linked)
    assert all((tmp_path / name).is_file() for name in linked)
    anchors = re.findall(r'href="#(\w+)"', text)
    assert all(f'id="{anchor}"' in text for anchor in anchors)


def test_without_a_film_the_gif_is_shown(tmp_path: Path) -> None:
    with_heads(tmp_path)
    text = page(tour_of(tmp_path, heads=Outcome("done", 1)), CHECKED, "a machine")
    assert "<video" not in text
    assert '<img src="heads/turn.gif" width="8" height="4"' in text


def test_failures_are_told_and_parts_that_are_not_there_are_not_shown(tmp_path: Path) -> None:
    outcomes = {
        "heads": Outcome("failed", why="`gen_videos.py` ended with status 1 & <more>"),
        "training": Outcome("left out", why="it needs the part data, which failed"),
        "inversion": Outcome("stopped", 42),
    }
    text = page(tour_of(tmp_path, **outcomes), CHECKED, "a machine")
    assert "status 1 &amp; &lt;more&gt;" in text
    assert "It needs the part data, which failed." in text
    assert "stopped after 42s" in text
    assert "1 &lt; 2 heads" in text
    assert "<img" not in text


def test_it_says_what_the_model_is(tmp_path: Path) -> None:
    text = page(tour_of(tmp_path), CHECKED, "a machine")
    assert "never seen a photograph" in text
    assert "no head was selected" in text
    other = Tour(tmp_path, parts(tmp_path, FULL, "runs/<mine>"), "runs/<mine>")
    assert "by the model <code>runs/&lt;mine&gt;</code>" in page(other, CHECKED, "a machine")


def test_the_training_ends_after_three_minutes(tmp_path: Path) -> None:
    (train,) = next(part for part in parts(tmp_path, FULL, "heads") if part.name == "training").commands
    assert "--minutes=3" in train


def synth_sizes(part: Part) -> list[int]:
    """Of the data sets that a part makes."""
    made = [command for command in part.commands if "synth" in command]
    return [int(command[command.index("--resolution") + 1]) for command in made]


def test_a_model_of_another_size_has_data_of_its_own_and_the_training_stays_small(tmp_path: Path) -> None:
    save_networks(tmp_path / "a.safetensors", {"G_ema": small_generator()}, {})
    sizes = QUICK.of_model(str(tmp_path / "a.safetensors"))
    those = {part.name: part for part in parts(tmp_path, sizes, "a")}
    made = {name: synth_sizes(part) for name, part in those.items()}
    assert made == {"heads": [], "data": [64], "training": [], "inversion": [32], "metrics": [32]}
    (train,) = those["training"].commands
    assert f"--img_data={tmp_path}/data/heads_img.zip" in train
    measures = [command for command in those["metrics"].commands if command[0] == "calc_metrics.py"]
    assert len(measures) == 2
    assert all(f"--img_data={tmp_path}/metrics/heads_img.zip" in command for command in measures)
    assert "64 x 64" in those["training"].says
    assert "32 x 32" in those["metrics"].says
    assert QUICK.of_model("no-such-model") == QUICK


def test_a_model_as_small_as_the_training_shares_its_data(tmp_path: Path) -> None:
    made = {part.name: synth_sizes(part) for part in parts(tmp_path, FULL, "heads")}
    assert made == {"heads": [], "data": [64], "training": [], "inversion": [64], "metrics": []}
    metrics = parts(tmp_path, FULL, "heads")[-1]
    assert metrics.needs == ("data",)
    assert all(f"--img_data={tmp_path}/data/heads_img.zip" in command for command in metrics.commands)


def test_it_says_how_long_everything_took_and_on_what(tmp_path: Path) -> None:
    tour = tour_of(tmp_path, heads=Outcome("failed", 60.0), inversion=Outcome("stopped", 3.0))
    text = page(tour, CHECKED, "a machine")
    assert "a machine. The parts that are there took 1m3s in all" in text


def test_impossible_folders_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(demo.main, [f"--outdir={tmp_path / 'file'}"])
    assert result.exit_code == 1
    assert "choose another folder" in result.output
