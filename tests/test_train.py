# SPDX-License-Identifier: Apache-2.0
"""The command line of train.py: what it makes of flags, and how it tells mistakes."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from train import main


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_a_dry_run_prints_the_configuration_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("--cfg=debug", "--outdir=runs", "--kimg=2", "--batch-gpu", "2", "--set", "seed=3", "--dry-run")
    config = json.loads(done.stdout)
    assert (config["loop"]["total_nimg"], config["loop"]["part"], config["seed"]) == (2000, 2, 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cfg=debgu", "--run=x"], "Did you mean debug"),
        (["--run=x"], "x"),
        ([], "say what to train"),
        (["--cfg=debug"], "give --outdir=DIR .* or --run=DIR"),
        (["--cfg=debug", "--run=x", "--outdir=y"], "give --outdir=DIR .* or --run=DIR"),
        (["--cfg=debug", "--run=x", "--kimg=many"], r"--kimg=many: expected thousands of images"),
        (["--cfg=debug", "--run=x", "--batch=0"], r"loop.batch: got 0"),
    ],
)
def test_a_mistake_is_told_in_one_message_with_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir())
