# SPDX-License-Identifier: Apache-2.0
"""A small machine to build on: a cache folder, two tiny sources, a C++ compiler that does as told, and processes.

The sources compile in milliseconds, so that builds can be killed, raced and spoilt many times.
"""

import os
import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.processes import TIME_LIMIT_S, Process
from torch_utils.ops import build

SOURCES = ("biased_act", "composite")

_PRELUDE = """
import sys, time
from pathlib import Path
from torch_utils import ops
from torch_utils.ops import build, native
csrc = {csrc!r}
if csrc:
    build.CSRC = Path(csrc)

def answer():
    "What the built library says."
    import ctypes
    return ctypes.CDLL(str(build.ensure().path)).stand_in_biased_act()
"""


class Machine:
    """Use as a context: processes that are left are killed, compilers that wait are let go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.csrc = folder / "csrc"
        self.cxx = folder / "c++"
        self.gate = folder / "gate"  # a compiler that waits does so until this exists
        self.prelude = ""  # Python code for processes that are to find less than there is
        self.waiting = folder / "waiting"  # exists once one waits
        self._trace = folder / "trace"
        self._processes: list[Process] = []
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "FULLHEAD_CACHE": str(self.cache),
            "CXX": str(self.cxx),
            "OMP_NUM_THREADS": "1",
        }
        (self.csrc / "cpu").mkdir(parents=True)
        for name in SOURCES:
            self.write_source(name, 42)
        self.use_compiler()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.gate.touch()
        for process in self._processes:
            process.end()

    def write_source(self, name: str, answer: int) -> None:
        export = 'extern "C" __attribute__((visibility("default")))'
        (self.csrc / "cpu" / f"{name}.cpp").write_text(f"{export} int stand_in_{name}() {{ return {answer}; }}\n")

    def use_compiler(self, behaviour: str = "") -> None:
        """A compiler that notes its arguments, does what the shell lines of `behaviour` say, and then compiles."""
        script = f"""#!/bin/sh
            echo "$@" >> {shlex.quote(str(self._trace))}
            case "$1" in --version) echo "stand-in 1.0"; exit 0;; esac
            {behaviour}
            exec {shlex.quote(shutil.which("c++"))} "$@"
            """
        new = self.cxx.with_name("c++.new")
        new.write_text(script)
        new.chmod(0o755)
        new.replace(self.cxx)  # one that runs is not disturbed

    def wait_once(self, when: str = "*") -> str:
        """Behaviour: the first compilation whose arguments match the pattern waits for the gate."""
        once, waiting, gate = (shlex.quote(str(path)) for path in (self.folder / "once", self.waiting, self.gate))
        return f"""
            case "$*" in {when}) if mkdir {once} 2>/dev/null; then
                touch {waiting}
                n=0; while [ ! -e {gate} ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n + 1)); done
            fi;; esac
            """

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIME_LIMIT_S
        while not holds():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.005)

    def start(self, code: str, *, csrc: bool = True, **env: str | None) -> Process:
        """Starts Python code with `env` on top of the machine's; None removes a variable."""
        values = {name: value for name, value in {**self.env, **env}.items() if value is not None}
        output = self.folder / f"output{len(self._processes)}"
        prelude = _PRELUDE.format(csrc=str(self.csrc) if csrc else None)
        self._processes.append(Process(prelude + code, values, output))
        return self._processes[-1]

    def run(self, code: str, *, fails: bool = False, csrc: bool = True, **env: str | None) -> Process:
        """Runs Python code to its end, and checks how it ended."""
        process = self.start(code, csrc=csrc, **env)
        assert (process.wait() != 0) == fails, process.text
        return process

    @property
    def calls(self) -> list[str]:
        """The arguments of every call of the compiler."""
        return self._trace.read_text().splitlines() if self._trace.exists() else []

    @property
    def compilations(self) -> int:
        """How many files were compiled or linked."""
        return sum("--version" not in call for call in self.calls)

    @property
    def entries(self) -> set[str]:
        """What lies in the cache, by kind: 'library', 'lock', 'refused', 'work'."""
        kinds = {".lock": "lock", ".refused": "refused"}
        return {
            "work" if path.name.startswith(".") else kinds.get(path.suffix, "library")
            for path in (self.cache / "ops").glob("*")
        }

    def adopt(self, library: build.Library) -> None:
        """Puts a copy of the real library into the cache. Its processes need csrc=False and CXX as it was built."""
        shutil.copytree(library.folder, self.cache / "ops" / library.folder.name)
