# SPDX-License-Identifier: Apache-2.0
"""`python -m configs`, as one meets it in a shell."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from configs import CONFIGS, resolve
from configs.__main__ import main
from dnnlib.config import from_json
from training.run_config import RunConfig, save_config

Run = Callable[..., "Result"]
ROOT = Path(__file__).resolve().parents[2]


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture) -> Run:
    def run_main(*args: str) -> Result:
        with pytest.raises(SystemExit) as caught:
            main(args)
        return Result(caught.value.code, *capsys.readouterr())

    return run_main


def test_without_arguments_it_lists_every_configuration_with_a_line_each(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split(":")[0].split(",")[0] for line in lines] == list(CONFIGS)
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_name_prints_the_configuration_as_json_and_nothing_else(run: Run, name: str) -> None:
    result = run(name)
    assert result.exit_code == 0
    assert from_json(RunConfig, result.stdout) == resolve(name)


def test_set_works_there_too(run: Run) -> None:
    assert json.loads(run("debug", "--set", "loop.batch=7", "--set", "seed=3").stdout)["loop"]["batch"] == 7


def test_what_it_prints_is_a_file_it_reads(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(run("debug", "--set", "seed=3").stdout)
    assert run(str(tmp_path / "mine.json")).stdout == run("debug", "--set", "seed=3").stdout


def test_diff_prints_only_what_differs(run: Run, tmp_path: Path) -> None:
    save_config(resolve("debug", ["seed=3"]), tmp_path / "config.json")
    assert run("debug", "--diff", str(tmp_path)).stdout == "seed: 0 -> 3\n"
    assert run("debug", "--set", "seed=3", "--diff", str(tmp_path)).stdout == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["debgu"], "Did you mean debug?"),
        (["debug", "--set", "loop.bacth=4"], "Did you mean loop.batch?"),
        (["debug", "--set", "loop.batch=four"], "expected a whole number"),
        (["debug", "--diff", "debgu"], "Did you mean debug?"),
        (["--set", "seed=1"], "need a CONFIG"),
    ],
)
def test_a_mistake_leaves_stdout_empty_and_is_explained(run: Run, args: list[str], words: str) -> None:
    result = run(*args)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_the_errors_in_the_documentation_are_true(run: Run) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    examples = re.findall(r"^\$ python -m configs (.*)\n(Error: .*)$", page, re.MULTILINE)
    assert len(examples) >= 2
    for arguments, error in examples:
        assert run(*arguments.split()).stderr.strip() == error


def test_help_shows_examples(run: Run) -> None:
    assert "python -m configs debug --set loop.batch=8" in run("--help").stdout


def test_it_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "configs", "debug"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert from_json(RunConfig, result.stdout) == resolve("debug")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("debug", ("128,320", "82,928")),
        pytest.param("panohead", ("53,741,548", "31,359,808"), marks=pytest.mark.slow),  # As published.
    ],
)
def test_a_summary_counts_the_parameters(run: Run, name: str, parameters: tuple[str, str]) -> None:
    lines = run(name, "--summary").stdout.splitlines()
    counts = {line.split()[0]: line.split()[1] for line in lines if line.startswith(("Generator", "Critic"))}
    assert (counts["Generator"], counts["Critic"]) == parameters
    assert lines[-1].startswith("Memory for a batch of 1")
