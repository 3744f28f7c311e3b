# SPDX-License-Identifier: Apache-2.0
"""`make venv` on a machine where something is missing says what, and is quick where nothing changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("sh", "cat", "cksum", "dirname", "rm")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what setting up reads, and a PATH (`bin`) with the bare tools and no Python."""
    root = tmp_path / "check out"  # a blank in the path is a classic
    (root / ".ci").mkdir(parents=True)
    (root / "bin").mkdir()
    for name in (".ci/venv", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, root / name)
    for tool in TOOLS:
        (root / "bin" / tool).symlink_to(shutil.which(tool))
    return root


def add_program(checkout: Path, name: str, script: str) -> None:
    path = checkout / "bin" / name
    path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    path.chmod(0o755)


def set_up(checkout: Path, **env: str) -> subprocess.CompletedProcess:
    env = {"PATH": str(checkout / "bin"), "HOME": str(checkout), **env}
    return subprocess.run(
        ["sh", ".ci/venv"], cwd=checkout, env=env, capture_output=True, text=True, timeout=60, check=False
    )


# Stands for an interpreter of which only its answers matter: too old, or without a module.
OLD_PYTHON = 'case "$2" in *sys.exit*) exit 1 ;; *print*) echo 3.9 ;; esac'
BARE_PYTHON = 'case "$2" in *ensurepip*) exit 1 ;; *print*) echo 3.12 ;; esac'


def test_without_python_it_says_which_one_to_install(checkout: Path) -> None:
    result = set_up(checkout)
    assert result.returncode != 0
    assert "No Python 3.10 or newer was found" in result.stderr
    assert "apt-get install python3" in result.stderr


def test_an_old_python_is_passed_over(checkout: Path) -> None:
    add_program(checkout, "python3", OLD_PYTHON)
    assert "No Python 3.10 or newer was found" in set_up(checkout).stderr
    add_program(checkout, "python3.12", BARE_PYTHON)
    assert "python3.12 (3.12) cannot make virtual environments" in set_up(checkout).stderr


def test_an_old_python_that_was_asked_for_is_refused(checkout: Path) -> None:
    add_program(checkout, "python3", OLD_PYTHON)
    result = set_up(checkout, PYTHON="python3")
    assert result.returncode != 0
    assert "PYTHON=python3 is Python 3.9; FullHead needs Python 3.10 or newer." in result.stderr


def test_a_python_that_does_not_exist_is_named(checkout: Path) -> None:
    result = set_up(checkout, PYTHON="python9")
    assert result.returncode != 0
    assert "PYTHON=python9: there is no such program" in result.stderr


def test_a_missing_venv_module_is_named_with_its_package(checkout: Path) -> None:
    add_program(checkout, "python3", BARE_PYTHON)
    result = set_up(checkout)
    assert result.returncode != 0
    assert "ensurepip is missing" in result.stderr
    assert "apt-get install python3.12-venv" in result.stderr


def make_venv_with_a_pip_that(checkout: Path, succeeds: bool) -> None:
    """A .venv of the running Python in which `python -m pip` only leaves a note."""
    sh, log, status = shutil.which("sh"), checkout / "pip.log", 0 if succeeds else 1
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(
        f"#!{sh}\n"
        f'[ "$1" = -m ] || exec "{sys.executable}" "$@"\n'
        f'echo "$*" >>"{log}"\n'
        f'[ "$3" != install ] || exit {status}\n'
    )
    python.chmod(0o755)


def test_it_installs_once_and_then_does_nothing(checkout: Path) -> None:
    make_venv_with_a_pip_that(checkout, succeeds=True)
    assert set_up(checkout).returncode == 0
    log = (checkout / "pip.log").read_text()
    assert "--constraint constraints.txt --editable .[dev]" in log
    assert set_up(checkout).returncode == 0
    assert (checkout / "pip.log").read_text() == log


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_it_installs_again_when_what_is_needed_changed(checkout: Path, file: str) -> None:
    make_venv_with_a_pip_that(checkout, succeeds=True)
    set_up(checkout)
    (checkout / "pip.log").unlink()
    with (checkout / file).open("a") as stream:
        stream.write("# changed\n")
    set_up(checkout)
    assert "--editable" in (checkout / "pip.log").read_text()


def test_it_installs_again_when_the_folder_moved(checkout: Path) -> None:
    make_venv_with_a_pip_that(checkout, succeeds=True)
    set_up(checkout)
    moved = checkout.rename(checkout.parent / "moved")
    (moved / "pip.log").unlink()
    (checkout).mkdir()  # where the note is written
    set_up(moved)
    assert "--editable" in (checkout / "pip.log").read_text()


def test_a_failed_installation_is_said_and_tried_again(checkout: Path) -> None:
    make_venv_with_a_pip_that(checkout, succeeds=False)
    for _ in range(2):
        result = set_up(checkout)
        assert result.returncode != 0
        assert "pip could not install" in result.stderr


def test_another_python_than_that_of_an_existing_venv_is_refused(checkout: Path) -> None:
    make_venv_with_a_pip_that(checkout, succeeds=True)
    add_program(checkout, "other", BARE_PYTHON.replace("3.12", "3.99"))
    result = set_up(checkout, PYTHON="other")
    assert result.returncode != 0
    assert f".venv has Python {sys.version_info.major}.{sys.version_info.minor}, not 3.99" in result.stderr
    assert os.path.exists(checkout / ".venv")
