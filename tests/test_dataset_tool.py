# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import dataset_tool

ROOT = Path(__file__).resolve().parents[1]


def test_help_lists_every_command_in_no_time() -> None:
    """No command is imported for it, and no torch."""
    script = "import sys, dataset_tool\ntry: dataset_tool.main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name, text in dataset_tool.COMMANDS.items():
        assert name in output
        assert text.split(";")[0].split()[0] in output


@pytest.mark.parametrize("name", dataset_tool.COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    result = CliRunner().invoke(dataset_tool.main, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"python dataset_tool.py {name} " in result.output
    assert "--force" in result.output or name == "stats"


@pytest.mark.parametrize("name", dataset_tool.COMMANDS)
def test_every_command_is_in_a_file_of_its_name(name: str) -> None:
    assert (ROOT / "training" / "data" / "commands" / f"{name}.py").is_file()


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(dataset_tool.main, ["pakc"])
    assert result.exit_code == 2
    assert "pakc" in result.output
