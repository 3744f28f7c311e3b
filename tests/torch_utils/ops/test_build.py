# SPDX-License-Identifier: Apache-2.0
import os
import signal
import time

import pytest

from tests.torch_utils.ops.machine import SOURCES, Machine

FILES = len(SOURCES) + 1  # and the library
ANSWER = "print(answer())"
REFUSES = 'echo "kernel.cpp:7:1: error: a comma is missing"; exit 1'


def test_the_first_process_builds_and_the_next_finds_the_library_in_milliseconds(machine):
    assert machine.run(ANSWER).lines == ["42"]
    assert machine.compilations == FILES
    assert machine.entries == {"library", "lock"}
    timed = "start = time.perf_counter(); native._load(); print(time.perf_counter() - start)"
    assert min(float(machine.run(timed).text) for _ in range(3)) < 0.15
    assert machine.compilations == FILES


def test_a_library_is_kept_without_what_it_was_made_from(machine):
    machine.run(ANSWER)
    (folder,) = (path for path in (machine.cache / "ops").iterdir() if path.is_dir())
    assert not list(folder.glob("*.o"))
    assert oct(folder.stat().st_mode)[-3:] == "755"  # another user of the same cache may read it


def test_paths_may_hold_whatever_a_file_system_allows(tmp_path):
    folder = tmp_path / 'it\'s $HOME: a "b" #ü & ; `c` %d\\'
    folder.mkdir()
    with Machine(folder) as machine:
        assert machine.run(ANSWER).lines == ["42"]


# --- Killed builders --------------------------------------------------------------------------------------------------

STOPS = "(Path.home() / 'waiting').touch() or time.sleep(600)"
MOMENTS = {
    "while the lock is named": (f"os.ftruncate = lambda *args: {STOPS}", None),
    "before anything is compiled": (f"build._compile = lambda *args, **options: {STOPS}", None),
    "while a file is compiled": ("", "*composite.cpp*"),
    "while the library is linked": ("", "*-shared*"),
    "before the checksum": (f"build._sha256 = lambda path: {STOPS}", None),
    "before the library moves": (f"os.rename = lambda *args: {STOPS}", None),
    "after the library has moved": (f"rename = os.rename; os.rename = lambda *args: rename(*args) or {STOPS}", None),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_build_may_be_killed_at_any_moment(machine, moment):
    stop, compiler_waits = MOMENTS[moment]
    if compiler_waits:
        machine.use_compiler(machine.wait_once(compiler_waits))
    builder = machine.start(f"{stop}\nbuild.ensure()")
    machine.wait_until(machine.waiting.exists)
    builder.kill()
    assert machine.run(ANSWER).lines == ["42"]  # while the compilers of the dead builder may still run
    assert machine.entries == {"library", "lock"}
    machine.gate.touch()
    time.sleep(0.1 if compiler_waits else 0)
    assert machine.run(ANSWER).lines == ["42"]
    assert machine.entries == {"library", "lock"}


def test_builds_killed_again_and_again_end_in_a_library(machine):
    for delay_s in (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1):
        builder = machine.start("build.ensure()")
        time.sleep(delay_s)
        builder.kill()
    assert machine.run(ANSWER).lines == ["42"]
    # A compiler that outlived its builder may have written into its folder while that was being removed.
    assert machine.entries - {"work"} == {"library", "lock"}


def test_an_interrupted_build_leaves_nothing_and_stops_its_compilers(machine):
    done = machine.folder / "done"
    machine.use_compiler(machine.wait_once("*composite.cpp*") + f"case $* in *composite.cpp*) touch '{done}';; esac")
    builder = machine.start("import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nbuild.ensure()")
    machine.wait_until(machine.waiting.exists)
    os.kill(builder.pid, signal.SIGINT)
    assert builder.wait() != 0
    assert "KeyboardInterrupt" in builder.text
    assert machine.entries == {"lock"}
    machine.gate.touch()
    time.sleep(0.2)
    assert not done.exists()


# --- Several at once --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 4])
def test_of_processes_that_need_it_at_once_one_builds_and_all_use_it(machine, count):
    machine.use_compiler("sleep 0.1")
    processes = [machine.start(ANSWER) for _ in range(count)]
    assert [process.wait() for process in processes] == [0] * count
    assert [process.lines for process in processes] == [["42"]] * count
    assert machine.compilations == FILES
    assert machine.entries == {"library", "lock"}


def test_who_waits_says_for_whom_and_takes_over_when_the_builder_is_killed(machine):
    machine.use_compiler(machine.wait_once())
    builder = machine.start("build.ensure()")
    machine.wait_until(machine.waiting.exists)
    waiters = [machine.start(f"from dnnlib import locks; locks.PATIENCE_S = 0\n{ANSWER}") for _ in range(2)]
    for waiter in waiters:
        machine.wait_until(lambda waiter=waiter: f"Waiting for process {builder.pid} on" in waiter.text)
    builder.kill()
    assert [waiter.wait() for waiter in waiters] == [0, 0]
    assert [waiter.lines[-1] for waiter in waiters] == ["42", "42"]


# --- Refusals and bad luck --------------------------------------------------------------------------------------------

TELL = "try: print(answer())\nexcept build.BuildError as error: print(error)"


def test_a_refusal_names_the_first_complaint_and_is_remembered_until_asked_again(machine):
    machine.use_compiler(REFUSES)
    (first,) = machine.run(TELL).lines
    (log,) = (machine.cache / "ops").glob("*.refused")
    assert "(kernel.cpp:7:1: error: a comma is missing)" in first
    assert str(log) in first
    assert "`python -m torch_utils.ops --build`" in first
    assert "a comma is missing" in log.read_text()
    tried = machine.compilations
    assert machine.run(TELL).lines == [first]
    assert machine.compilations == tried
    retry = TELL.replace("answer()", "build.ensure(retry=True)")
    assert machine.run(retry).lines == [first]
    assert machine.compilations > tried
    machine.use_compiler()
    assert machine.run(TELL).lines == [first]
    machine.run(retry)
    assert machine.run(TELL).lines == ["42"]
    assert machine.entries == {"library", "lock"}


def test_who_waits_for_a_builder_that_is_refused_does_not_try_again(machine):
    machine.use_compiler(machine.wait_once() + REFUSES)
    processes = [machine.start(f"from dnnlib import locks; locks.PATIENCE_S = 0\n{TELL}")]
    machine.wait_until(machine.waiting.exists)
    processes.append(machine.start(f"from dnnlib import locks; locks.PATIENCE_S = 0\n{TELL}"))
    machine.wait_until(lambda: "Waiting" in processes[1].text)
    tried = machine.compilations
    machine.gate.touch()
    assert [process.wait() for process in processes] == [0, 0]
    assert processes[1].lines[-1] == processes[0].lines[-1]
    assert machine.compilations == tried


BAD_LUCK = {
    "killed": "kill -9 $$",
    "crashed": "kill -11 $$",
    "its part killed": 'echo "c++: fatal error: Killed signal terminated program cc1plus"; exit 1',
    "clang's part killed": 'echo "clang++: error: unable to execute command: Killed"; exit 1',
    "out of memory": 'echo "cc1plus: out of memory allocating 65536 bytes"; exit 1',
    "disk full": 'echo "k.s: Fatal error: can\'t close k.o: No space left on device"; exit 1',
    "file too large": "ulimit -f 1; trap - XFSZ",
    "no memory": "ulimit -v 20000",
}


@pytest.mark.parametrize("trouble", BAD_LUCK)
def test_a_compiler_that_had_bad_luck_is_tried_again_by_the_next_process(machine, trouble):
    machine.use_compiler(BAD_LUCK[trouble])
    (line,) = machine.run(TELL).lines
    assert "The native operators could not be built in" in line
    assert machine.entries == {"lock"}
    machine.use_compiler()
    assert machine.run(TELL).lines == ["42"]


def test_a_full_disk_is_no_refusal(machine):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    (line,) = machine.run(limit + TELL).lines
    assert "could not be built" in line
    assert machine.entries <= {"lock"}
    assert machine.run(TELL).lines == ["42"]


def test_complaints_are_asked_for_in_english_and_need_not_be_text(machine):
    machine.use_compiler("""printf 'k.cpp:1: error: \\377 in %s\\n' "$LC_ALL"; exit 1""")
    assert "error: \N{REPLACEMENT CHARACTER} in C)" in machine.run(TELL, LC_ALL="de_DE.UTF-8").text


# --- A CUDA half that is refused --------------------------------------------------------------------------------------

WITH_CUDA = "torch.version.cuda = '13.0'\n"
HALVES = WITH_CUDA + "print(answer(), build.ensure().why_no_cuda or 'with CUDA')"
REFUSING_NVCC = 'echo "kernel.cu(7): error: no such architecture"; exit 2'
# Compiles and links as C++, without what a C++ compiler does not know.
WILLING_NVCC = """
    for argument; do
        shift
        case "$argument" in
            -ccbin|-Xcompiler|-gencode*|-cudart=*|-ltorch_cuda|*/c++) continue;;
            -c) set -- "$@" -x c++;;
        esac
        set -- "$@" "$argument"
    done
    exec c++ "$@"
"""


def use_nvcc(machine: Machine, behaviour: str) -> None:
    """A CUDA toolkit with one source to compile, whose compiler does as told."""
    nvcc = machine.folder / "cuda" / "bin" / "nvcc"
    nvcc.parent.mkdir(parents=True, exist_ok=True)
    nvcc.write_text(
        f"""#!/bin/sh
        case "$1" in --version) echo "stand-in 1.0"; exit;; --list-gpu-arch) echo compute_90; exit;; esac
        {behaviour}
        """
    )
    nvcc.chmod(0o755)
    machine.env["CUDA_HOME"] = str(machine.folder / "cuda")
    (machine.csrc / "cuda").mkdir(exist_ok=True)
    (machine.csrc / "cuda" / "biased_act.cu").write_text("int stand_in_cuda() { return 1; }\n")


def test_where_nvcc_refuses_the_kernels_of_the_cpu_are_built_without_it_and_the_reason_is_kept(machine):
    use_nvcc(machine, REFUSING_NVCC)
    *_, warning, outcome = machine.run(HALVES).lines
    assert "The compiler refused the CUDA kernels (kernel.cu(7): error: no such architecture)" in warning
    assert outcome.startswith("42 The CUDA kernels were refused by their compiler (kernel.cu(7): error: no such arch")
    assert "`python -m torch_utils.ops --build` tries again" in outcome
    assert machine.entries == {"library", "lock"}
    (log,) = (machine.cache / "ops").glob("*/cuda.refused")
    assert str(log) in outcome
    tried = machine.compilations
    assert machine.run(HALVES).lines == [outcome]  # known from then on, without a warning
    assert machine.compilations == tried
    load = "torch.ops.load_library = lambda path: None\n"
    operator = "print(native.why_not('biased_act', 'cpu'), native.why_not('biased_act', 'cuda'))"
    assert machine.run(WITH_CUDA + load + operator).lines == [outcome.replace("42", "None", 1)]


def test_a_refused_cuda_half_is_tried_again_when_asked(machine):
    use_nvcc(machine, REFUSING_NVCC)
    refused = machine.run(HALVES).lines[-1]
    use_nvcc(machine, WILLING_NVCC)
    assert machine.run(HALVES).lines == [refused]
    machine.run(WITH_CUDA + "build.ensure(retry=True)")
    assert machine.run(HALVES).lines == ["42 with CUDA"]
    assert machine.entries == {"library", "lock"}


def test_a_refusal_of_both_halves_is_told_with_the_complaint_about_the_cpu(machine):
    use_nvcc(machine, REFUSING_NVCC)
    machine.use_compiler(REFUSES)
    assert "(kernel.cpp:7:1: error: a comma is missing)" in machine.run(WITH_CUDA + TELL).lines[-1]
    assert machine.entries == {"refused", "lock"}


# --- What a library depends on ----------------------------------------------------------------------------------------

FOLDER = "print(build.find().folder.name)"


def test_the_library_changes_with_everything_it_is_made_from(machine):
    def name(before: str = "", **env: str) -> str:
        (line,) = machine.run(f"{before}\n{FOLDER}", **env).lines
        return line

    names = [name()]
    assert name() == names[0]
    machine.write_source("composite", 43)
    names.append(name())
    (machine.csrc / "cpu" / "shared.h").write_text("// a header")
    names.append(name())
    (machine.csrc / "cpu" / "shared.h").rename(machine.csrc / "cpu" / "renamed.h")
    names.append(name())
    names.append(name("torch.__version__ = '99.0'"))
    names.append(name("torch.version.cuda = '99.0'"))
    names.append(name("build.recipe.__file__ = torch.__file__"))  # the flags
    names.append(name(CXX="/bin/true"))
    names.append(name("from torch_utils.ops import toolchain; toolchain.version_of = lambda program: '2.0'"))
    names.append(name("from torch_utils.ops import toolchain; toolchain.processor = lambda: 'another'"))
    assert len(set(names)) == len(names)


def test_a_changed_source_is_built_beside_the_old_library(machine):
    assert machine.run(ANSWER).lines == ["42"]
    machine.write_source("biased_act", 43)
    assert machine.run(ANSWER).lines == ["43"]
    machine.write_source("biased_act", 42)
    assert machine.run(ANSWER).lines == ["42"]
    assert machine.compilations == 2 * FILES


# --- Spoilt libraries -------------------------------------------------------------------------------------------------

SPOIL = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut in the middle": lambda path: path.write_bytes(path.read_bytes()[:8192]),
    "one byte short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "one bit off": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "removed": lambda path: path.unlink(),
    "without checksum": lambda path: (path.parent / "sha256").unlink(),
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_spoilt_library_is_not_loaded_but_built_anew(machine, spoil):
    machine.run(ANSWER)
    (path,) = (machine.cache / "ops").glob("*/*.so")
    SPOIL[spoil](path)
    assert machine.run("print(build.find().is_whole(), answer(), build.find().is_whole())").lines == ["False 42 True"]
    assert machine.compilations == 2 * FILES


# --- Clearing ---------------------------------------------------------------------------------------------------------


def test_clear_removes_libraries_logs_and_leftovers_and_counts_their_bytes(machine):
    machine.run(ANSWER)
    folder = machine.cache / "ops"
    (folder / ".killed").mkdir()
    (folder / ".killed" / "object.o").write_bytes(bytes(1000))
    (folder / "old.refused").write_bytes(bytes(100))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size > 1100
    assert machine.run("print(build.clear())").lines == [str(size)]
    assert machine.entries == {"lock"}
    assert machine.run(ANSWER).lines == ["42"]


def test_clear_may_find_nothing(machine):
    assert machine.run("print(build.clear())").lines == ["0"]
    assert not machine.cache.exists()
