# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/goals.md runs as it stands there and makes the files that its comment names.

Commands under one heading run one after the other in one folder, where `FILES` are; `QUICKER` shortens what would take
minutes. The shipped model is a small one.
"""

import importlib
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.training.small import codes, labels, small_generator
from training.generator import Generator
from training.pretrained import sources
from training.pretrained.network_file import save_networks

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "goals.md").read_text(encoding="utf-8")


def solid_generator() -> Generator:
    """Its heads are opaque, so that they have a surface."""
    G = small_generator()
    G.field.decoder.out.bias.data[0] += 6
    return G


def save_picture(path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def save_mask(path: Path) -> None:
    Image.fromarray(np.pad(np.full((24, 32), 255, np.uint8), ((12, 12), (16, 16)))).save(path)


def save_styles(path: Path) -> None:
    """As PanoHead's projector does."""
    np.savez(path, w=small_generator().mapping(codes(1), labels(0.0)).detach().numpy())


# What the page calls a file, and what makes a small one.
FILES: dict[str, Callable[[Path], None]] = {
    "sea.jpg": save_picture,
    "portrait.png": save_picture,
    "mask.png": save_mask,
    "projected_w.npz": save_styles,
    "way.npy": lambda path: np.save(path, labels(0.0, 0.2, 0.4).numpy()),
}

# What a command of this script gets besides, so that it takes a moment only.
QUICKER: dict[str, list[str]] = {
    "gen_samples.py": ["--shape-res", "16"],
    "gen_videos.py": ["--w-frames", "2"],
    "projector.py": ["--num-steps", "2", "--num-steps-pti", "2"],
}
SETTLED = "--cameras"  # A file of cameras has its own number of frames.


def goals() -> dict[str, list[str]]:
    """The commands under each heading."""
    parts = re.split(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)[1:]
    found = {}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        commands = "".join(blocks).replace("\\\n", " ").splitlines()
        if commands:
            found[heading] = commands
    return found


@pytest.mark.parametrize("heading", goals())
def test_the_commands_of_a_goal_make_what_they_say(
    heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "MODELS", tmp_path / "models")
    (tmp_path / "models").mkdir()
    save_networks("models/heads.safetensors", {"G_ema": solid_generator()}, {})
    for name, save in FILES.items():
        if any(name in command for command in goals()[heading]):
            save(Path(name))
    for command in goals()[heading]:
        python, script, *arguments = shlex.split(command, comments=True)
        assert python == "python"
        quicker = [] if SETTLED in arguments else QUICKER.get(script, [])
        made = command.rpartition("#")[2].split()
        for file in made:
            Path(file).unlink(missing_ok=True)
        main = importlib.import_module(script.removesuffix(".py")).main
        result = CliRunner().invoke(main, [*arguments, *quicker], catch_exceptions=False)
        assert result.exit_code == 0, f"{command}\n{result.output}"
        assert made, f"say behind a # which files this makes: {command}"
        for file in made:
            assert Path(file).is_file(), f"{command}\nmade {sorted(map(str, Path().rglob('*')))}"
