# SPDX-License-Identifier: Apache-2.0
"""Builds the native library: once per (sources, PyTorch, CUDA, compiler, processor), into the user's cache folder.

One process builds while the others wait on a lock of the operating system, which dies with its holder. Each build works
in a folder of its own and is renamed into place when it is whole, so a build killed at any moment leaves nothing that a
later one could trip over.
"""

import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch.utils import cpp_extension

from dnnlib.cache import cache_dir
from dnnlib.locks import FileLock
from dnnlib.progress import progress
from torch_utils.ops import toolchain

CSRC = Path(__file__).parent / "csrc"

_LOCK_TIMEOUT_S = 1800
_LOG_NAME = "build.log"
_log = logging.getLogger("fullhead.ops")


class BuildError(RuntimeError):
    """The library cannot be built here. The message is for the user."""


@dataclass(frozen=True)
class Library:
    """A finished library on disk."""

    path: str
    has_cuda: bool
    why_no_cuda: str = ""


def has_kernel(op: str, device_type: str) -> bool:
    """An operator has a native kernel where csrc/ holds a source file of its name."""
    suffix = {"cpu": ".cpp", "cuda": ".cu"}[device_type]
    return (CSRC / device_type / f"{op}{suffix}").is_file()


def ensure() -> Library:
    """The library, built now if it is not there. Raises BuildError with the reason where it cannot be."""
    tools = _usable_tools()
    library = _library(tools)
    if not Path(library.path).is_file():
        _build_once(tools, library, retry=False)
    return library


def rebuild() -> Library:
    """Builds even where an earlier attempt failed; keeps a library that is there."""
    tools = _usable_tools()
    library = _library(tools)
    if not Path(library.path).is_file():
        _build_once(tools, library, retry=True)
    return library


def clear() -> int:
    """Removes every library and every trace of a build. Returns how many bytes that freed."""
    folder = cache_dir("ops")
    freed = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    for entry in folder.iterdir():
        # Lock files stay: removing one while a process waits on it would let two builders in.
        if entry.suffix != ".lock":
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    return freed


def built_path() -> Path | None:
    """Where the library for this machine lies, or None while it is not built."""
    tools = toolchain.find()
    if not tools.can_build:
        return None
    path = Path(_library(tools).path)
    return path if path.is_file() else None


def earlier_failure() -> Path | None:
    """The log of a build that the compiler refused, where nothing has changed since."""
    tools = toolchain.find()
    if not tools.can_build:
        return None
    log = _failure_log(_library(tools))
    return log if log.is_file() else None


# --- Building ---------------------------------------------------------------------------------------------------------


def _usable_tools() -> toolchain.Toolchain:
    if os.name == "nt":
        raise BuildError("Building on Windows is not supported.")
    tools = toolchain.find()
    if not tools.can_build:
        raise BuildError(" ".join(tools.missing))
    return tools


def _library(tools: toolchain.Toolchain) -> Library:
    why_no_cuda = ""
    if torch.version.cuda is None:
        why_no_cuda = "This PyTorch was built without CUDA."
    elif tools.nvcc is None:
        why_no_cuda = tools.missing[-1]
    path = _root() / _key(tools) / "libfullhead_ops.so"
    return Library(path=str(path), has_cuda=not why_no_cuda, why_no_cuda=why_no_cuda)


def _root() -> Path:
    try:
        return cache_dir("ops")
    except OSError as error:
        raise BuildError(f"The cache folder cannot be written ({error}); set FULLHEAD_CACHE.") from error


@lru_cache
def _key(tools: toolchain.Toolchain) -> str:
    digest = hashlib.sha256()
    for source in sorted(path for path in CSRC.rglob("*") if path.is_file()):
        digest.update(source.relative_to(CSRC).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    for fact in (
        torch.__version__,
        torch.__config__.show(),
        str(torch.version.cuda),
        *(f"{tool} {toolchain.version_of(tool)}" for tool in (tools.cxx, tools.nvcc) if tool),
        toolchain.processor(),
        str(Path(torch.__file__).parent),  # the library is linked against the PyTorch of this environment
    ):
        digest.update(fact.encode() + b"\0")
    return f"torch{torch.__version__}-{digest.hexdigest()[:16]}"


def _build_once(tools: toolchain.Toolchain, library: Library, *, retry: bool) -> None:
    target = Path(library.path).parent
    failure = _failure_log(library)
    try:
        with FileLock(
            target.with_name(target.name + ".lock"),
            timeout_s=_LOCK_TIMEOUT_S,
            on_wait=lambda holder: _log.warning("Waiting for %s to build the native operators.", holder),
        ):
            if Path(library.path).is_file():
                return  # somebody else built it while we waited
            if failure.is_file() and not retry:
                raise BuildError(
                    f"An earlier build failed; its log is {failure}. `python -m torch_utils.ops --build` tries again."
                )
            _remove_leftovers(target)
            work = Path(tempfile.mkdtemp(prefix=_work_prefix(target), dir=target.parent))
            try:
                _compile(tools, work, library)
                (work / Path(library.path).name).chmod(0o755)
                work.chmod(0o755)
                os.rename(work, target)
                failure.unlink(missing_ok=True)
            except _CompilerError as error:
                shutil.copyfile(work / _LOG_NAME, failure)
                raise BuildError(f"The compiler refused the native operators: {error} The log is {failure}.") from error
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except (OSError, TimeoutError) as error:
        raise BuildError(f"The native operators could not be built in {target.parent}: {error}.") from error


def _failure_log(library: Library) -> Path:
    folder = Path(library.path).parent
    return folder.with_name(folder.name + ".failed")


class _CompilerError(Exception):
    """The first line in which a compiler says what it minds."""


def _work_prefix(target: Path) -> str:
    return f".{target.name}."


def _remove_leftovers(target: Path) -> None:
    """Work folders of builders that were killed. The lock is ours, so none of them is in use."""
    for folder in target.parent.glob(_work_prefix(target) + "*"):
        shutil.rmtree(folder, ignore_errors=True)


def _compile(tools: toolchain.Toolchain, work: Path, library: Library) -> None:
    (work / "build.ninja").write_text(_ninja_file(tools, library))
    log_path = work / _LOG_NAME
    command = [tools.ninja, "-C", str(work), *_job_limit()]
    with (
        open(log_path, "w") as log_file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ninja,
    ):
        try:
            steps = len(_sources(library)) + 1
            with progress(steps, "Building the native operators (once for this machine)", unit="file") as bar:
                for line in ninja.stdout:
                    log_file.write(line)
                    if re.match(r"\[\d+/\d+\]", line):
                        bar.advance(1)
        except BaseException:
            ninja.terminate()
            raise
    if ninja.returncode == 1:
        raise _CompilerError(_first_complaint(log_path.read_text()))
    if ninja.returncode != 0:
        raise OSError(f"ninja ended with status {ninja.returncode}")


def _first_complaint(log: str) -> str:
    return next((line.strip() for line in log.splitlines() if "error" in line.lower()), "no reason was given.")


def _job_limit() -> list[str]:
    jobs = os.environ.get("MAX_JOBS", "")
    return ["-j", jobs] if jobs.isdigit() and int(jobs) > 0 else []


# --- The ninja file ---------------------------------------------------------------------------------------------------


def _sources(library: Library) -> list[Path]:
    patterns = ["cpu/*.cpp"] + (["cuda/*.cpp", "cuda/*.cu"] if library.has_cuda else [])
    return sorted(path for pattern in patterns for path in CSRC.glob(pattern))


def cuda_compile_flags() -> list[str]:
    """Flags of nvcc. The kernels include no PyTorch header, so these are all that they need."""
    codes = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in toolchain.CUDA_ARCHITECTURES]
    newest = toolchain.CUDA_ARCHITECTURES[-1]
    codes.append(f"-gencode=arch=compute_{newest},code=compute_{newest}")
    return ["-std=c++20", "-O3", "-Xcompiler", "-fPIC", *codes]


def _ninja_file(tools: toolchain.Toolchain, library: Library) -> str:
    includes = " ".join(f"-isystem {_quote(path)}" for path in cpp_extension.include_paths())
    lib_dirs = cpp_extension.library_paths()
    libs = ["-ltorch_cpu", "-lc10", "-ltorch"]
    if library.has_cuda:
        lib_dirs.append(str(Path(tools.nvcc).resolve().parent.parent / "lib64"))
        # Statically, because PyTorch may carry another version of the shared runtime than the toolkit's.
        libs += ["-ltorch_cuda", "-lc10_cuda", "-lcudart_static", "-ldl", "-lrt", "-lpthread"]
    paths = " ".join(f"-L{_quote(path)} -Wl,-rpath,{_quote(path)}" for path in lib_dirs)
    shared = "-dynamiclib -undefined dynamic_lookup" if sys.platform == "darwin" else "-shared"
    # Kernels may contract a*b+c and ignore the floating-point environment; NaN and infinity keep their meaning.
    flags = (
        "-O3 -march=native -std=c++20 -fPIC -fno-math-errno -fno-trapping-math -ffp-contract=fast -fvisibility=hidden"
    )
    lines = [
        "rule cxx",
        f"  command = {_quote(tools.cxx)} {flags} {includes} -I{_quote(CSRC)} -c $in -o $out",
        "rule link",
        f"  command = {_quote(tools.cxx)} {shared} $in -o $out {paths} {' '.join(libs)}",
    ]
    if library.has_cuda:
        lines += [
            "rule nvcc",
            f"  command = {_quote(tools.nvcc)} {' '.join(cuda_compile_flags())} -ccbin {_quote(tools.cxx)} "
            f"-I{_quote(CSRC)} -c $in -o $out",
        ]
    objects = []
    for source in _sources(library):
        out = f"{source.parent.name}_{source.stem}{source.suffix.replace('.', '_')}.o"
        rule = "nvcc" if source.suffix == ".cu" else "cxx"
        lines.append(f"build {out}: {rule} {_escape(source)}")
        objects.append(out)
    name = Path(library.path).name
    lines += [f"build {name}: link {' '.join(objects)}", f"default {name}", ""]
    return "\n".join(lines)


def _quote(path: str | Path) -> str:
    return "'" + str(path).replace("$", "$$").replace("'", "'\\''") + "'"


def _escape(path: Path) -> str:
    return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")
