# SPDX-License-Identifier: Apache-2.0
"""Every command of README.md is understood; run in small, one after the other, each does what it should."""

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from PIL import Image

from tests.docs.readme_commands import README, ROOT, RULES, blocks, commands, python_blocks, reduced, rules_for
from tests.training.official_snapshots import PANOHEAD, official_parts, written
from tests.training.small import labels


def understood(command: click.Command, words: list[str]) -> None:
    """Parses, and does nothing. A mistake is a click.UsageError."""
    if isinstance(command, click.Group):
        _, inner, rest = command.resolve_command(click.Context(command), words)
        understood(inner, rest)
    else:
        command.make_context(command.name, list(words))


def entry_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command of `python SCRIPT.py ...` or `python -m MODULE ...`, and what it is given."""
    assert words[0] == "python"
    if words[1] == "-m":
        return importlib.import_module(f"{words[2]}.__main__").main, words[3:]
    return importlib.import_module(words[1].removesuffix(".py")).main, words[2:]


def test_every_command_has_one_small_form_and_every_rule_a_command() -> None:
    for command in commands():
        assert len(rules_for(command)) == 1, f"{command}: say in readme_commands.py how it runs in small, once"
    used = {rule for command in commands() for rule in rules_for(command)}
    assert used == set(RULES)
    assert not rules_for("make coffee")


def test_commands_within_sentences_are_found_and_names_are_not() -> None:
    told = (
        "See `.venv`, `conda\n env list`, `python3 x.py`, and `make`.\n\n"
        "```\nls  # `pip x`\n```\n"
        "`. a`, `gpu`, `.pkl`, `A=1 make b`, `make`"
    )
    assert commands(told) == ["conda env list", "python3 x.py", "make", "ls", ". a", "A=1 make b"]
    assert {". .venv/bin/activate", "make", "make contracts", "make gpu PYTHON=python3"} <= set(commands())


def test_no_block_of_code_is_overlooked() -> None:
    assert README.count("```") == 2 * len(blocks())
    assert {language for language, _ in blocks()} == {"", "python"}
    assert len(commands()) > 20
    assert len(python_blocks()) == 1


@pytest.mark.parametrize("command", [line for line in commands() if line.startswith("python ")])
def test_a_command_of_python_is_understood(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plain, small = shlex.split(command.partition(" > ")[0]), shlex.split(reduced(command).partition(" > ")[0])
    for words in (plain, small):
        understood(*entry_of(words))


def test_a_mistake_would_be_seen() -> None:
    with pytest.raises(click.UsageError):
        understood(*entry_of(shlex.split("python gen_videos.py --seed=3")))
    with pytest.raises(click.UsageError):
        understood(*entry_of(shlex.split("python dataset_tool.py synthesise")))


@pytest.mark.parametrize(("target", "runs"), [("demo", "python demo.py"), ("test", "python -m pytest")])
def test_make_runs_what_its_small_form_stands_for(target: str, runs: str) -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert runs in told
    assert f"make {target}" in commands()


def run_small(command: str, folder: Path) -> subprocess.CompletedProcess:
    """In a shell, as its small form, with the interpreter of the tests, which `.venv` would have."""
    line = re.sub(r"^python (\w+\.py)", rf"python {shlex.quote(str(ROOT))}/\1", reduced(command))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    return subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_make_gpu_installs_nothing_and_what_it_runs_is_there(tmp_path: Path) -> None:
    told = run_small("make gpu PYTHON=python3", tmp_path).stdout
    assert len(told.splitlines()) > 3
    for line in told.splitlines():
        python, *words = shlex.split(line)
        assert python == "python3"
        assert "pip" not in words
        if words[0] == "-m":
            assert importlib.util.find_spec(words[1]), line
        for word in words:
            assert (ROOT / word).exists() or not re.search(r"\.py$|^tests/", word), line


def test_the_other_targets_that_are_named_beside_make_exist(tmp_path: Path) -> None:
    (named,) = re.findall(r"`make` lists the targets: ([^(]+)", README)
    listed = re.findall(r"^make ([\w-]+)", run_small("make", tmp_path).stdout, re.MULTILINE)
    names = re.findall(r"`([\w-]+)`", named)
    assert {"lint", "gpu"} <= set(names) <= set(listed)


def test_activation_is_of_the_environment_that_was_made_before(tmp_path: Path) -> None:
    assert run_small(". .venv/bin/activate", tmp_path).returncode != 0
    assert run_small("python3 -m venv .venv", tmp_path).returncode == 0
    assert run_small(". .venv/bin/activate", tmp_path).returncode == 0


def test_the_film_at_the_top_is_small_and_the_models_card_has_its_command() -> None:
    film = ROOT / re.search(r'<img src="(\S+\.gif)"', README)[1]
    card = film.with_suffix(".md").read_text(encoding="utf-8")
    (command,) = re.findall(rf"^(python gen_videos\.py .*--output={film.name})$", card, re.MULTILINE)
    understood(*entry_of(shlex.split(command)))
    assert film.stat().st_size <= 1_500_000


PIP = [command for command in commands() if "pip install" in command]


@pytest.mark.slow
@pytest.mark.parametrize("command", PIP)
def test_what_is_installed_is_there(command: str, tmp_path: Path) -> None:
    ran = run_small(command, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Would install fullhead" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("pin", ["torch==0.1", "ruff==0.1", "trimesh==0.1"])
def test_what_cannot_be_installed_would_be_seen(pin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pins.txt").write_text(pin)
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "pins.txt"))  # Beside the command's own.
    (command,) = (command for command in PIP if "[dev]" in command)
    ran = run_small(command, tmp_path)
    assert ran.returncode != 0
    assert pin in ran.stdout


def save_portrait(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_portrait(tmp_path / "portrait.png")
    G, D, ours = official_parts(PANOHEAD)
    written(tmp_path / "network.pkl", tmp_path / "ran", G_ema=G, D=D)
    for command in commands():
        if "runs/other" in command:
            shutil.copytree("runs/mine", "runs/other")
        ran = run_small(command, tmp_path)
        assert ran.returncode == 0, f"{command}\n{ran.args}\n{ran.stdout}\n{ran.stderr}"
    for made in (
        "demo/index.html",
        "mine.json",
        "out/heads_90.gif",
        "out/seed0000.glb",
        "out/me/turn.gif",
        "network.safetensors",
    ):
        assert Path(made).is_file(), made
    (block,) = python_blocks()
    names = {"z": torch.zeros(1, ours.z_dim), "c": labels(0.0)}
    exec(compile(block, "README.md", "exec"), names)
    assert names["picture"].shape[:2] == (1, 3)
