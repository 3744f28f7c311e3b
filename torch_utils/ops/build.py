# SPDX-License-Identifier: Apache-2.0
"""Builds the native library: once per (sources, PyTorch, CUDA, compiler, processor), into the user's cache folder.

One process builds while the others wait on a lock of the operating system, which dies with its holder. A build works in
a folder of its own, which is renamed into place when it is whole: killed at any moment, it leaves nothing that a later
one could trip over. A *refusal* is the log of a build whose sources the compiler did not accept. It stays, so that not
every process tries again; a build that was killed or ran out of memory or disk leaves none. Where only the CUDA half is
refused, the rest is built without it, and the log of the refusal lies in the library's folder.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from dnnlib.cache import cache_dir
from dnnlib.console import get_logger
from dnnlib.locks import FileLock
from dnnlib.progress import progress
from torch_utils.ops import recipe, toolchain
from torch_utils.ops.toolchain import Toolchain

CSRC = Path(__file__).parent / "csrc"

_LOCK_TIMEOUT_S = 1800
_LOG_NAME = "build.log"
_CUDA_REFUSAL_NAME = "cuda.refused"
_COMPLAINT = re.compile(r"\berror:|\bfatal\b|: cannot find |undefined reference", re.IGNORECASE)
_RAN_OUT = re.compile(
    r"terminated program|(due to|with) signal|unable to execute|no space left|quota exceeded|file too large|"
    r"out of memory|cannot allocate|memory exhausted|input/output error|temporarily unavailable|ninja: (error|fatal)",
    re.IGNORECASE,
)

_log = get_logger("ops")


class BuildError(RuntimeError):
    """The library cannot be built here. The message is for the user."""


@dataclass(frozen=True)
class Library:
    """Where the library of this machine lies, once it is built, in a folder of its own."""

    folder: Path
    why_no_cuda: str = ""  # empty where it has CUDA kernels, or is to be built with them

    @property
    def path(self) -> Path:
        return self.folder / "libfullhead_ops.so"

    @property
    def has_cuda(self) -> bool:
        return not self.why_no_cuda

    @property
    def refusal(self) -> Path:
        """The log of a build that the compiler refused, where nothing has changed since."""
        return self.folder.with_name(self.folder.name + ".refused")

    @property
    def cuda_refusal(self) -> Path:
        """The log of a build whose CUDA half the compilers refused, beside the library that was built without it."""
        return self.folder / _CUDA_REFUSAL_NAME

    def is_done(self, retry: bool) -> bool:
        """Whether it is there. A `retry` is for what was refused before, too."""
        return self.is_whole() and not (retry and self.cuda_refusal.is_file())

    def as_built(self) -> "Library":
        """What it became: without CUDA kernels where these were refused."""
        if not self.has_cuda or not self.cuda_refusal.is_file():
            return self
        why = (
            f"The CUDA kernels were refused by their compiler ({_complaint(self.cuda_refusal)}). "
            f"The log is {self.cuda_refusal}; `python -m torch_utils.ops --build` tries again."
        )
        return replace(self, why_no_cuda=why)

    def is_whole(self) -> bool:
        """Whether it is there, byte for byte as it was linked. Loading a truncated library would kill the process."""
        try:
            return _checksum_file(self.folder).read_text() == _sha256(self.path)
        except (OSError, UnicodeDecodeError):
            return False


@lru_cache
def has_kernel(op: str, device_type: str) -> bool:
    """An operator has a native kernel where csrc/ holds a source file of its name."""
    suffix = {"cpu": ".cpp", "cuda": ".cu"}.get(device_type)
    return suffix is not None and (CSRC / device_type / f"{op}{suffix}").is_file()


def find() -> Library:
    """The library, built or not. Raises BuildError where it cannot be built, with the reason."""
    tools = _usable_tools()
    why_no_cuda = ""
    if torch.version.cuda is None:
        why_no_cuda = "This PyTorch was built without CUDA."
    elif tools.nvcc is None:
        why_no_cuda = tools.missing[-1]
    return Library(_cache_folder() / _key(tools), why_no_cuda)


def ensure(*, retry: bool = False) -> Library:
    """The library, built now if it is not there. `retry` builds even where the compiler refused before."""
    library = find()
    if not library.is_done(retry):
        if not retry and (reason := obstacle(library)):
            raise BuildError(reason)
        _build_once(library, retry)
    return library.as_built()


def obstacle(library: Library) -> str | None:
    """Why the first use of an operator would not build this library, as far as can be told without trying."""
    if library.refusal.is_file():
        return (
            f"The compiler refused the native operators ({_complaint(library.refusal)}). "
            f"The log is {library.refusal}; `python -m torch_utils.ops --build` tries again."
        )
    cache = library.folder.parent
    nearest = next(folder for folder in (cache, *cache.parents) if os.path.exists(folder))
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        return f"The cache folder {cache} cannot be written; set FULLHEAD_CACHE to one that can."
    return None


def clear() -> int:
    """Removes every library and every trace of a build. Returns how many bytes that freed."""
    folder = _cache_folder()
    try:
        before = _num_bytes(folder)
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.suffix != ".lock":  # it may be held
                entry.unlink()
        return before - _num_bytes(folder)
    except OSError as error:
        raise BuildError(f"The cache folder {folder} could not be cleared: {error}.") from error


# --- What a build depends on ------------------------------------------------------------------------------------------


def _usable_tools() -> Toolchain:
    if os.name == "nt":
        raise BuildError("Building on Windows is not supported.")
    tools = toolchain.find()
    if not tools.can_build:
        raise BuildError(" ".join(tools.missing))
    return tools


def _cache_folder() -> Path:
    try:
        return cache_dir("ops")
    except ValueError as error:
        raise BuildError(f"There is no cache folder: {error}.") from error


@lru_cache
def _key(tools: Toolchain) -> str:
    digest = hashlib.sha256()
    for source in sorted(path for path in CSRC.rglob("*") if path.is_file()):
        digest.update(source.relative_to(CSRC).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    for fact in (
        Path(recipe.__file__).read_text(encoding="utf-8"),
        torch.__version__,
        torch.__config__.show(),
        str(torch.version.cuda),
        *(f"{tool} {toolchain.version_of(tool)}" for tool in (tools.cxx, tools.nvcc) if tool),
        toolchain.processor(),
        str(Path(torch.__file__).parent),  # the library is linked against the PyTorch of this environment
    ):
        digest.update(os.fsencode(fact) + b"\0")
    return f"torch{torch.__version__}-{digest.hexdigest()[:16]}"


# --- Building ---------------------------------------------------------------------------------------------------------


class _RefusedError(Exception):
    """The compiler does not accept the sources. The message is its first complaint."""


def _build_once(library: Library, retry: bool) -> None:
    folder = library.folder
    lock = FileLock(
        folder.with_name(folder.name + ".lock"),
        timeout_s=_LOCK_TIMEOUT_S,
        on_wait=lambda holder: _log.warning("Waiting for %s to build the native operators.", holder),
    )
    try:
        with lock:
            if library.is_done(retry):
                return  # somebody else built it while we waited
            if not retry and (reason := obstacle(library)):
                raise BuildError(reason)  # it was refused while we waited
            try:
                _build(library)
            finally:
                _remove_work_folders(folder)
    except OSError as error:
        raise BuildError(f"The native operators could not be built in {folder.parent}: {error}.") from error


def _build(library: Library) -> None:
    work = Path(tempfile.mkdtemp(prefix=_work_prefix(library.folder), dir=library.folder.parent))
    log = work / _LOG_NAME
    try:
        _compile_what_is_accepted(library, work, log)
    except _RefusedError as error:
        os.replace(log, library.refusal)
        raise BuildError(obstacle(library)) from error
    for file in work.glob("*.o"):
        file.unlink()
    _checksum_file(work).write_text(_sha256(work / library.path.name))
    work.chmod(0o755)
    shutil.rmtree(library.folder, ignore_errors=True)  # what is there is not whole, or lacks what was refused before
    os.rename(work, library.folder)
    library.refusal.unlink(missing_ok=True)


def _compile_what_is_accepted(library: Library, work: Path, log: Path) -> None:
    if library.has_cuda:
        try:
            _compile(library, work, log, with_cuda=True)
            return
        except _RefusedError as error:
            os.replace(log, work / _CUDA_REFUSAL_NAME)
            _log.warning("The compiler refused the CUDA kernels (%s). Building those of the CPU alone.", error)
    _compile(library, work, log, with_cuda=False)  # ninja keeps what is compiled already


def _compile(library: Library, work: Path, log: Path, with_cuda: bool) -> None:
    tools = _usable_tools()
    commands = recipe.ninja_file(CSRC, tools, library.path.name, with_cuda)
    (work / "build.ninja").write_text(commands, encoding="utf-8", errors="surrogateescape")
    steps = len(recipe.sources(CSRC, with_cuda)) + 1
    # English, since the log is searched for complaints.
    env = {**os.environ, "LC_ALL": "C", "NINJA_STATUS": "[%f/%t] "}
    with (
        open(log, "w", encoding="utf-8") as log_file,
        subprocess.Popen(
            [tools.ninja, "-C", str(work), *_job_limit()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=env,
        ) as ninja,
    ):
        try:
            with progress(steps, "Building the native operators (once for this machine)", unit="file") as bar:
                for line in ninja.stdout:
                    log_file.write(line)
                    if re.match(r"\[\d+/\d+\]", line):
                        bar.advance(1)
        except BaseException:
            ninja.terminate()
            raise
    if ninja.returncode == 0:
        return
    complaint = _complaint(log)
    if complaint and not _RAN_OUT.search(log.read_text(encoding="utf-8")):
        raise _RefusedError(complaint)
    raise OSError(complaint or f"ninja ended with status {ninja.returncode}")


def _job_limit() -> list[str]:
    jobs = os.environ.get("MAX_JOBS", "")
    return ["-j", jobs] if jobs.isdecimal() and int(jobs) > 0 else []


def _complaint(log: Path) -> str:
    """The first line in which a compiler says what it minds; empty where there is none."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in lines if _COMPLAINT.search(line)), "")


def _work_prefix(folder: Path) -> str:
    return f".{folder.name}."


def _remove_work_folders(folder: Path) -> None:
    """Ours, and those of builders that were killed. The lock is ours, so at most orphans still work in them."""
    for work in folder.parent.glob(_work_prefix(folder) + "*"):
        shutil.rmtree(work, ignore_errors=True)


def _checksum_file(folder: Path) -> Path:
    return folder / "sha256"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _num_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
