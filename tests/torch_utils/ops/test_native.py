# SPDX-License-Identifier: Apache-2.0
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.torch_utils.ops.machine import SOURCES, Machine
from torch_utils import ops
from torch_utils.ops import native

ROOT = Path(__file__).parents[3]
FILES = len(SOURCES) + 1
REFUSES = 'echo "kernel.cpp:7:1: error: a comma is missing"; exit 1'

# Calls every operator; ends well if all of them gave exactly what their references give.
USE = """
from torch_utils.ops import selfcheck
def values(example):
    result = example.call(*example.tensors)
    return result if isinstance(result, tuple) else (result,)
for example in selfcheck.examples():
    got = values(example)
    with native.forced("reference"):
        wanted = values(example)
    assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True)), example.op
"""


# --- Import -----------------------------------------------------------------------------------------------------------


def test_import_builds_nothing_and_loads_neither_compiler_nor_setuptools(machine):
    code = "import sys, torch_utils.ops; print({'torch._dynamo', 'setuptools'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=machine.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
    assert not machine.cache.exists()
    assert not machine.calls


# --- Where nothing can be built ---------------------------------------------------------------------------------------


def has_no_compiler(machine: Machine) -> str:
    machine.env |= {"PATH": str(machine.folder), "CXX": ""}
    machine.cxx.unlink()
    return "No C++ compiler was found: install g++ or clang++"


def has_a_compiler_that_is_missing(machine: Machine) -> str:
    machine.env["CXX"] = "my-own-c++ -O3"
    return "CXX=my-own-c++ -O3 is no program"


def has_no_ninja(machine: Machine) -> str:
    machine.env["PATH"] = str(machine.folder)
    machine.prelude = f"import sysconfig; sysconfig.get_path = lambda name: {str(machine.folder)!r}\n"
    return "ninja was not found: `pip install ninja`."


def has_no_cache_that_can_be_written(machine: Machine) -> str:
    machine.env["FULLHEAD_CACHE"] = str(machine.cxx / "cache")
    return f"The cache folder {machine.cxx}/cache/ops cannot be written; set FULLHEAD_CACHE"


def has_a_cache_that_seems_writable(machine: Machine) -> str:
    machine.env["FULLHEAD_CACHE"] = "/proc/cache"
    return "The native operators could not be built in /proc/cache/ops"


def has_a_full_disk(machine: Machine) -> str:
    machine.prelude = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    return "The native operators could not be built in"


def has_a_compiler_that_refuses(machine: Machine) -> str:
    machine.use_compiler(REFUSES)
    return "The compiler refused the native operators (kernel.cpp:7:1: error: a comma is missing)"


def has_a_library_that_does_not_load(machine: Machine) -> str:
    machine.run("build.ensure()")
    (path,) = (machine.cache / "ops").glob("*/*.so")
    path.write_bytes(b"not a library")
    (path.parent / "sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    return f"The library cannot be loaded ({path}: file too short); `python -m torch_utils.ops --clear --build`"


OBSTACLES = [
    has_no_compiler,
    has_a_compiler_that_is_missing,
    has_no_ninja,
    has_no_cache_that_can_be_written,
    has_a_cache_that_seems_writable,
    has_a_full_disk,
    has_a_compiler_that_refuses,
    has_a_library_that_does_not_load,
]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_where_nothing_can_be_built_the_reference_serves_and_one_line_says_why_and_what_it_costs(machine, obstacle):
    reason = obstacle(machine)
    (line,) = machine.run(machine.prelude + USE).lines
    assert line.startswith("Native operators are off, the PyTorch reference serves")
    assert "2 to 40 times more" in line
    assert reason in line


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_where_nothing_can_be_built_native_fails_and_says_why(machine, obstacle):
    reason = obstacle(machine)
    text = machine.run(machine.prelude + USE, fails=True, FULLHEAD_OPS="native").text
    assert "NativeUnavailableError: FULLHEAD_OPS=native, but biased_act has no native kernel for cpu:" in text
    assert reason in text


def test_a_second_process_does_not_repeat_a_refused_build_but_says_where_its_log_is(machine):
    machine.use_compiler(REFUSES)
    machine.run(USE)
    tried = machine.compilations
    (line,) = machine.run(USE).lines
    (log,) = (machine.cache / "ops").glob("*.refused")
    assert str(log) in line
    assert machine.compilations == tried


def test_a_spoilt_library_is_built_anew(machine):
    machine.run("assert native._load()[0]")
    (path,) = (machine.cache / "ops").glob("*/*.so")
    path.write_bytes(path.read_bytes()[:8192])
    assert machine.run("assert native._load()[0]").text == ""
    assert machine.compilations == 2 * FILES


# --- The choice of path -----------------------------------------------------------------------------------------------


def test_reference_touches_neither_cache_nor_compiler(machine):
    assert machine.run(USE, FULLHEAD_OPS="reference").text == ""
    assert not machine.cache.exists()
    assert not machine.calls


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_meta_tensors_touch_neither_cache_nor_compiler(machine, mode):
    shape = "ops.biased_act(torch.zeros(2, 3, device='meta')).shape"
    assert machine.run(f"assert {shape} == (2, 3)", FULLHEAD_OPS=mode).text == ""
    assert not machine.cache.exists()
    assert not machine.calls


def test_an_unknown_path_is_an_error_that_lists_the_known_ones(monkeypatch):
    monkeypatch.setenv("FULLHEAD_OPS", "nonsense")
    with pytest.raises(ValueError, match=r"FULLHEAD_OPS=nonsense .*auto, native, reference"):
        ops.biased_act(torch.zeros(2, 3))


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("FULLHEAD_OPS", "")
    assert native.mode() == "auto"


def test_forced_paths_nest_and_end_with_their_block(monkeypatch):
    monkeypatch.setenv("FULLHEAD_OPS", "reference")
    with native.forced("native"):
        with native.forced("auto"):
            assert native.mode() == "auto"
        assert native.mode() == "native"
    assert native.mode() == "reference"


def test_a_forced_path_ends_with_an_exception(monkeypatch):
    monkeypatch.setenv("FULLHEAD_OPS", "reference")
    with pytest.raises(KeyError), native.forced("native"):
        raise KeyError
    assert native.mode() == "reference"


def test_devices_without_kernels_take_the_reference_in_silence(machine):
    assert machine.run("assert not native._serves('biased_act', 'mps')").text == ""
    assert not machine.calls
    text = machine.run("native._serves('biased_act', 'mps')", fails=True, FULLHEAD_OPS="native").text
    assert "No mps kernel is written yet." in text


def test_where_a_gpu_kernel_could_be_built_but_is_not_one_line_says_so(machine):
    (machine.csrc / "cuda").mkdir()
    (machine.csrc / "cuda" / "biased_act.cu").touch()
    (line,) = machine.run("native._serves('biased_act', 'cuda'), native._serves('biased_act', 'cuda')").lines
    assert "Reason: This PyTorch was built without CUDA." in line


# --- Threads and forks ------------------------------------------------------------------------------------------------

CROWD = """
from concurrent.futures import ThreadPoolExecutor
loads = []
load_library = torch.ops.load_library
torch.ops.load_library = lambda path: (loads.append(path), load_library(path))
with ThreadPoolExecutor(8) as threads:
    answers = set(threads.map(lambda _: native._serves("biased_act", "cpu"), range(8)))
print(answers, len(loads))
"""


def test_threads_that_need_it_at_once_build_once_and_load_once(machine):
    machine.use_compiler("sleep 0.1")
    assert machine.run(CROWD).lines == ["{True} 1"]
    assert machine.compilations == FILES


def test_threads_that_cannot_have_it_try_once_and_say_so_once(machine):
    machine.use_compiler("sleep 0.1; kill -9 $$")
    slow = "native._log.addFilter(lambda record: time.sleep(0.1) or True)\n"
    warning, answers = machine.run(slow + CROWD).lines
    assert warning.startswith("Native operators are off")
    assert answers == "{False} 0"
    assert machine.compilations <= len(SOURCES)


def test_a_process_forked_while_a_thread_builds_does_not_hang(machine):
    machine.use_compiler(machine.wait_once())
    process = machine.start(f"""
import threading
thread = threading.Thread(target=native._serves, args=("biased_act", "cpu"))
thread.start()
while not Path({str(machine.waiting)!r}).exists():
    time.sleep(0.01)
child = os.fork()
if child == 0:
    print(native._serves("biased_act", "cpu"), flush=True)
    os._exit(0)
print("forked", flush=True)
thread.join()
print(os.waitpid(child, 0)[1], flush=True)
""")
    machine.wait_until(lambda: "forked" in process.text)
    machine.gate.touch()
    assert process.wait() == 0
    assert sorted(process.lines) == ["0", "True", "forked"]
    assert machine.compilations == FILES


def test_workers_of_a_data_loader_use_what_their_parent_has_loaded(ready):
    assert ready.run(
        """
from torch.utils.data import DataLoader
def collate(items):
    return ops.composite(*(torch.stack(tensors) for tensors in zip(*items)))
generator = torch.Generator().manual_seed(0)
items = [(torch.randn(6, 12, 32, generator=generator), torch.randn(6, 12, generator=generator),
          torch.rand(6, 12, generator=generator).sort(-1).values) for _ in range(8)]
torch.set_num_threads(2)
here = list(DataLoader(items, batch_size=2, collate_fn=collate))
native.build.ensure = None  # no worker may need it
there = list(DataLoader(items, batch_size=2, collate_fn=collate, num_workers=2, multiprocessing_context="fork"))
assert all(torch.equal(a, b) for x, y in zip(here, there, strict=True) for a, b in zip(x, y, strict=True))
print("native" if native._load()[0] else "reference")
""",
        csrc=False,
        OMP_NUM_THREADS="2",
    ).lines == ["native"]


# --- torch.compile ----------------------------------------------------------------------------------------------------

COMPILED = """
x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
def shade(x):
    y = ops.biased_act(ops.upsample(x, ops.filter_taps()), act="lrelu")
    return y.square().mean()
got = torch.compile(shade, fullgraph=True, backend="aot_eager")(x)
(slope,) = torch.autograd.grad(got, x)
with native.forced("reference"):
    wanted = shade(x)
torch.testing.assert_close(got, wanted)
torch.testing.assert_close(slope, torch.autograd.grad(wanted, x)[0])
print("native" if native._load()[0] else "reference")
"""


@pytest.mark.slow
def test_the_first_use_may_be_inside_a_compiled_function(ready):
    assert ready.run(COMPILED, csrc=False).lines == ["native"]


def test_a_compiled_function_takes_the_reference_where_nothing_can_be_built(machine):
    has_no_cache_that_can_be_written(machine)
    warning, path = machine.run(COMPILED).lines
    assert warning.startswith("Native operators are off")
    assert path == "reference"


# --- The real thing ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_that_use_operators_at_once_after_a_killed_build_both_get_native_ones(machine):
    check = "from torch_utils.ops import selfcheck\nprint(max(map(selfcheck.largest_error, selfcheck.examples())))"
    env = {"csrc": False, "FULLHEAD_OPS": "native"}
    builder = machine.start(check, **env)
    machine.wait_until(lambda: machine.compilations > 0)
    builder.kill()
    processes = [machine.start(check, **env) for _ in range(2)]
    assert [process.wait(limit_s=600) for process in processes] == [0, 0]
    assert all(float(process.lines[-1]) < 2e-5 for process in processes)
    assert machine.entries == {"library", "lock"}
