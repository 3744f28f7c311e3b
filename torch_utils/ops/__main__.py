# SPDX-License-Identifier: Apache-2.0
"""The doctor: which path every operator takes on this machine, why, and what to do about it.

Lines are never cut or wrapped, so that a path can be copied from any terminal.
"""

import platform
import sys
import time

import click
import torch

from dnnlib.text import format_bytes, format_duration
from torch_utils.ops import build, native, selfcheck, toolchain

OPERATORS = (
    "biased_act",
    "fir_resample",
    "fir_act",
    "trigrid_decode",
    "composite",
    "importance_depths",
    "philox_words",
    "distance_field",
)


NATIVE = "native"
ONCE_BUILT = "native, once built"
ERROR = "none: an error"
EXAMPLES = """\b
python -m torch_utils.ops                    the report; builds nothing
python -m torch_utils.ops --build --check    build, compare with the reference
python -m torch_utils.ops --clear --build    build from nothing
FULLHEAD_OPS=reference python ...            never use native kernels
FULLHEAD_OPS=native python ...               fail where none can serve"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@click.option("--build", "do_build", is_flag=True, help="Build now, also after an earlier failure.")
@click.option("--clear", "do_clear", is_flag=True, help="Remove every built library from the cache.")
@click.option("--check", "do_check", is_flag=True, help="Use each operator; exit 1 if native and reference differ.")
def main(do_build: bool, do_clear: bool, do_check: bool) -> None:
    """Report which path each operator takes: a native kernel, or the PyTorch reference that defines it."""
    try:
        native.mode()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        if do_clear:
            click.echo(f"Removed {format_bytes(build.clear())} of built operators.\n")
        if do_build:
            start = time.monotonic()
            build.ensure(retry=True)
            click.echo(f"The native operators are built ({format_duration(time.monotonic() - start)}).\n")
        failed = False
    except build.BuildError as error:
        click.echo(f"FAILED: {error}\n")
        failed = True
    if do_check and native.mode() != "reference":
        native.why_not(OPERATORS[0], "cpu")  # the first use, which builds; so the report is of what is checked
    _report()
    if do_check:
        failed |= not _check()
    sys.exit(1 if failed else 0)


# --- The report -------------------------------------------------------------------------------------------------------


def _report() -> None:
    tools = toolchain.find()
    _fact("PyTorch", f"{torch.__version__}, Python {platform.python_version()}")
    _fact("GPU", _gpu())
    _fact("C++ compiler", *_program(tools.cxx))
    _fact("ninja", *_program(tools.ninja))
    if torch.version.cuda:
        _fact("nvcc", *_program(tools.nvcc))
    _fact("Library", *_library())
    _fact("FULLHEAD_OPS", native.mode())

    devices = ["cpu", "cuda"] if torch.version.cuda else ["cpu"]
    click.echo("\n" + _row("operator", devices))
    reasons = []
    for op in OPERATORS:
        outlooks = [_outlook(op, device) for device in devices]
        click.echo(_row(op, [path for path, _ in outlooks]))
        reasons += [reason for _, reason in outlooks if reason]
    remarks = [f"Why: {reason}" for reason in dict.fromkeys(reasons)]
    remarks += [f"To fix: {advice}" for advice in tools.missing if advice not in " ".join(reasons)]
    click.echo("\n".join(["", *remarks]))


def _fact(name: str, *lines: str) -> None:
    for i, line in enumerate(lines):
        click.echo(f"{name if i == 0 else '':<14}{line}")


def _row(name: str, cells: list[str]) -> str:
    return (f"{name:<20}" + "".join(f"{cell:<20}" for cell in cells)).rstrip()


def _gpu() -> str:
    if not torch.version.cuda:
        return "none: this PyTorch was built without CUDA"
    if not torch.cuda.is_available():
        return f"none: PyTorch has CUDA {torch.version.cuda} but sees no device"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _program(path: str | None) -> list[str]:
    return [path, toolchain.version_of(path)] if path else ["none"]


def _library() -> list[str]:
    try:
        library = build.find()
    except build.BuildError:
        return ["cannot be built here, see below"]
    if library.is_whole():
        return [str(library.path)]
    if native.has_looked() or build.obstacle(library):
        return ["not built, see below"]
    return ["not built yet; the first native call builds it, or now", "python -m torch_utils.ops --build"]


def _outlook(op: str, device: str) -> tuple[str, str]:
    """The path of an operator in a word, and why it is not the native one. Builds nothing."""
    mode = native.mode()
    if mode == "reference":
        return "reference", "FULLHEAD_OPS=reference."
    if build.has_kernel(op, device) and not native.has_looked() and _is_to_be_built():
        return ONCE_BUILT, ""
    reason = native.why_not(op, device)
    if reason is None:
        return NATIVE, ""
    return "reference" if mode == "auto" else ERROR, reason


def _is_to_be_built() -> bool:
    """Whether the first use would build."""
    try:
        library = build.find()
    except build.BuildError:
        return False
    return not library.is_whole() and not build.obstacle(library)


# --- The check --------------------------------------------------------------------------------------------------------


def _check() -> bool:
    click.echo()
    passed = True
    left_out = []
    for device in ["cpu"] + (["cuda"] if torch.cuda.is_available() else []):
        for example in selfcheck.examples(device):
            name = f"{example.op} on {device}"
            path, _ = _outlook(example.op, device)
            if path != NATIVE:
                left_out.append(f"{name}: nothing to compare ({path})")
                passed &= path != ERROR
                continue
            error = selfcheck.largest_error(example)
            agrees = error <= selfcheck.TOLERANCE
            passed &= agrees
            click.echo(f"{name}: native {'agrees with' if agrees else 'DIFFERS from'} the reference, error {error:.1e}")
    for line in dict.fromkeys(left_out):
        click.echo(line)
    return passed


if __name__ == "__main__":
    main()
