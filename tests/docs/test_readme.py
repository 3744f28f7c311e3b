# SPDX-License-Identifier: Apache-2.0
"""Every command of README.md is understood; run in small, one after the other, each does what it should."""

import importlib
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


def test_no_block_of_code_is_overlooked() -> None:
    assert len(re.findall(r"^```", README, re.MULTILINE)) == 2 * len(blocks())
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
    told = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert runs in told
    assert f"make {target}" in commands()


def test_what_is_installed_is_there() -> None:
    (install,) = (command for command in commands() if "pip install" in command)
    words = shlex.split(install)
    assert (ROOT / words[words.index("-c") + 1]).is_file()
    assert re.search(r"^dev = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert words[-1] == ".[dev]"


def test_the_film_at_the_top_is_small_and_its_command_is_understood() -> None:
    (command,) = re.findall(r"<!-- (python .*) -->", README)
    understood(*entry_of(shlex.split(command)))
    film = ROOT / command.rpartition("--output=")[2]
    assert f'src="{film.relative_to(ROOT)}"' in README
    assert film.stat().st_size <= 1_500_000


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
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": path}
    for command in commands():
        if "runs/other" in command:
            shutil.copytree("runs/mine", "runs/other")
        line, _, output = reduced(command).partition(" > ")
        words = shlex.split(line)
        assert words[0] == "python", line
        words[0] = sys.executable
        if (ROOT / words[1]).is_file():
            words[1] = str(ROOT / words[1])
        where = ROOT if "pytest" in words else tmp_path
        ran = subprocess.run(words, cwd=where, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{command}\n{line}\n{ran.stdout}\n{ran.stderr}"
        if output:
            Path(output).write_text(ran.stdout)
    for made in ("demo/index.html", "out/heads_90.gif", "out/seed0000.glb", "out/me/turn.gif", "network.safetensors"):
        assert Path(made).is_file(), made
    (block,) = python_blocks()
    names = {"z": torch.zeros(1, ours.z_dim), "c": labels(0.0)}
    exec(compile(block, "README.md", "exec"), names)
    assert names["picture"].shape[:2] == (1, 3)
