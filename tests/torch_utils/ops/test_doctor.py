# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import Process
from tests.torch_utils.ops.machine import SOURCES, Machine
from torch_utils.ops import selfcheck
from torch_utils.ops.__main__ import OPERATORS

ROOT = Path(__file__).parents[3]
FILES = len(SOURCES) + 1
WIDTH = 80


def doctor(machine: Machine, *options: str, code: int = 0, before: str = "", csrc: bool = True, **env: str) -> Process:
    """Runs `python -m torch_utils.ops`, checks how it ends, and that what it says fits a narrow terminal."""
    process = machine.start(
        f"{machine.prelude}{before}\n"
        f"from torch_utils.ops.__main__ import main\nmain({list(options)}, prog_name='doctor')",
        csrc=csrc,
        **env,
    )
    assert process.wait() == code, process.text
    for line in process.lines:
        assert "\N{HORIZONTAL ELLIPSIS}" not in line
        assert len(line) <= WIDTH or "/" in line or line.startswith(("Why: ", "To fix: ", "FAILED: ")), line
    return process


def facts(process: Process) -> dict[str, str]:
    """The lines `name   value` of the report; the first of each name."""
    found: dict[str, str] = {}
    for line in process.lines:
        if match := re.fullmatch(r"(\S+(?: \S+)?)\s{2,}(\S.*)", line):
            found.setdefault(match[1], match[2])
    return found


def test_it_runs_as_a_module_and_builds_nothing(machine):
    done = subprocess.run(
        [sys.executable, "-m", "torch_utils.ops"],
        cwd=ROOT,
        env={**machine.env, "COLUMNS": "40"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert all(f"\n{op} " in done.stdout for op in OPERATORS)
    assert str(machine.cxx) in done.stdout.splitlines()[2]
    assert "\x1b" not in done.stdout
    assert machine.compilations == 0
    assert not machine.cache.exists()


def test_the_report_is_true_before_and_after_building(machine):
    before = facts(doctor(machine))
    assert before["C++ compiler"] == str(machine.cxx)
    assert before["Library"].startswith("not built yet")
    assert before["FULLHEAD_OPS"] == "auto"
    assert {op: before[op] for op in SOURCES} == dict.fromkeys(SOURCES, "native, once built")
    assert before["fir_act"] == "reference"  # the stand-in has no kernel for it
    assert machine.compilations == 0

    while_building = doctor(machine, "--build")
    assert while_building.lines[0].startswith("The native operators are built")
    after = facts(doctor(machine))
    assert facts(while_building) == after
    assert after["Library"] == str(build_path(machine))  # whole, on one line
    assert {op: after[op] for op in SOURCES} == dict.fromkeys(SOURCES, "native")
    assert after["fir_act"] == "reference"
    assert machine.compilations == FILES


def build_path(machine: Machine) -> Path:
    (path,) = (machine.cache / "ops").glob("*/*.so")
    return path


def test_the_report_and_clear_build_nothing(machine):
    assert "native, once built" in "\n".join(doctor(machine, "--clear").lines)
    assert machine.compilations == 0


def test_a_check_builds_as_any_first_use_does_unless_the_reference_is_asked_for(machine):
    said = doctor(machine, "--check", FULLHEAD_OPS="reference")
    assert "biased_act on cpu: nothing to compare (reference)" in said.lines
    assert machine.compilations == 0
    # The stand-in library holds no kernels, so what follows the build fails.
    machine.run("from torch_utils.ops.__main__ import main\nmain(['--check'])", fails=True)
    assert machine.compilations == FILES


def test_a_first_use_that_could_not_build_is_not_reported_as_still_to_come(machine):
    machine.use_compiler('echo "c++: fatal error: Killed signal terminated program cc1plus"; exit 1')
    said = doctor(machine, "--check")
    assert facts(said)["Library"] == "not built, see below"
    assert "biased_act on cpu: nothing to compare (reference)" in said.lines
    assert any(line.startswith("Why: ") for line in said.lines)
    assert "once built" not in said.text


def test_clear_says_how_much_it_removed_and_the_report_knows(machine):
    doctor(machine, "--build")
    size = sum(path.stat().st_size for path in (machine.cache / "ops").rglob("*") if path.is_file())
    assert size > 10_000
    cleared = doctor(machine, "--clear")
    assert cleared.lines[0] == f"Removed {size / 1024:.1f} KiB of built operators."
    assert facts(cleared)["Library"].startswith("not built yet")
    assert doctor(machine, "--clear").lines[0] == "Removed 0 B of built operators."
    assert "built" in doctor(machine, "--clear", "--build").lines[2]
    assert machine.compilations == 2 * FILES


# --- What is wrong, and what to do ------------------------------------------------------------------------------------


def test_without_a_compiler_it_says_what_to_install(machine):
    machine.cxx.unlink()
    env = {"PATH": str(machine.folder), "CXX": ""}
    said = doctor(machine, **env)
    assert facts(said)["C++ compiler"] == "none"
    assert facts(said)["biased_act"] == "reference"
    assert said.text.count("No C++ compiler was found: install g++ or clang++, or set CXX.") == 1
    assert doctor(machine, "--check", **env).text.count("nothing to compare (reference)") == len(OPERATORS)
    assert doctor(machine, "--build", code=1, **env).lines[0].startswith("FAILED: No C++ compiler was found")


def test_a_refused_build_fails_and_the_report_says_so_until_it_works(machine):
    machine.use_compiler('echo "k.cpp:7:1: error: a comma is missing"; exit 1')
    failed = doctor(machine, "--build", code=1)
    assert "FAILED: The compiler refused the native operators (k.cpp:7:1: error: a comma is missing)" in failed.lines[0]
    tried = machine.compilations
    said = doctor(machine)
    assert facts(said)["Library"] == "not built, see below"
    assert facts(said)["biased_act"] == "reference"
    (log,) = (machine.cache / "ops").glob("*.refused")
    assert str(log) in said.text
    assert machine.compilations == tried
    machine.use_compiler()
    doctor(machine, "--build")
    assert facts(doctor(machine))["biased_act"] == "native"


def test_a_cache_that_cannot_be_written_is_no_promise_to_build(machine):
    env = {"FULLHEAD_CACHE": str(machine.cxx / "cache")}
    said = doctor(machine, **env)
    assert facts(said)["biased_act"] == "reference"
    assert "set FULLHEAD_CACHE" in said.text
    assert "Not a directory" in doctor(machine, "--build", code=1, **env).lines[0]


def test_a_spoilt_library_counts_as_none(machine):
    doctor(machine, "--build")
    build_path(machine).write_bytes(b"")
    assert facts(doctor(machine))["biased_act"] == "native, once built"


def test_forced_paths_show(machine):
    said = doctor(machine, "--check", FULLHEAD_OPS="reference")
    assert facts(said)["biased_act"] == "reference"
    assert "Why: FULLHEAD_OPS=reference." in said.lines
    machine.use_compiler("exit 1")
    said = doctor(machine, "--check", code=1, FULLHEAD_OPS="native", FULLHEAD_CACHE=str(machine.cxx))
    assert facts(said)["biased_act"] == "none: an error"
    assert machine.compilations == 0


def test_an_unknown_path_is_an_error_without_a_traceback(machine):
    assert doctor(machine, code=1, FULLHEAD_OPS="nonsense").lines == [
        "Error: FULLHEAD_OPS=nonsense is not known; use one of auto, native, reference."
    ]


def test_an_unknown_option_gets_the_right_one_and_the_way_to_help(machine):
    said = doctor(machine, "--biuld", code=2).text
    assert "Did you mean" in said or "--build" in said
    assert "--help" in said
    assert machine.compilations == 0
    assert "python -m torch_utils.ops --build --check" in doctor(machine, "-h").text


# --- The check --------------------------------------------------------------------------------------------------------


def test_a_check_compares_every_operator_and_passes(ready):
    said = doctor(ready, "--check", csrc=False)
    compared = [line for line in said.lines if "native agrees with the reference" in line]
    assert len(compared) == len(selfcheck.examples())
    assert {line.split()[0] for line in compared} == set(OPERATORS)


SPOILT = """
import importlib
module = importlib.import_module("torch_utils.ops.composite")
reference = module.reference
module.reference = lambda *inputs: tuple(({}) for i, y in enumerate(reference(*inputs)))
"""
DIFFERENCES = {
    "more than tolerated": "from torch_utils.ops import selfcheck; selfcheck.TOLERANCE = 1e-9",
    "another scale": SPOILT.format("2 * y"),
    "not a number": SPOILT.format("y if i == 0 else y * torch.nan"),
    "another shape": SPOILT.format("y[None]"),
    "another type": SPOILT.format("y.double()"),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_check_fails_where_native_differs_from_the_reference(ready, difference):
    said = doctor(ready, "--check", code=1, before=DIFFERENCES[difference], csrc=False)
    assert any(line.startswith("composite on cpu: native DIFFERS from the reference") for line in said.lines)
