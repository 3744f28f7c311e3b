# SPDX-License-Identifier: Apache-2.0
"""The doctor: which path every operator takes on this machine, why, and what to do about it."""

import platform
import sys

import click
import torch
from rich.console import Console
from rich.table import Table

from dnnlib.text import format_bytes
from torch_utils.ops import build, native, selfcheck, toolchain

OPERATORS = ("biased_act", "fir_resample", "fir_act", "trigrid_sample", "composite", "importance_depths")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--build", "do_build", is_flag=True, help="Build now, also after an earlier failure.")
@click.option("--clear", "do_clear", is_flag=True, help="Remove every built library from the cache.")
@click.option("--check", "do_check", is_flag=True, help="Compare native with reference; exit 1 if they differ.")
def main(do_build: bool, do_clear: bool, do_check: bool) -> None:
    r"""Report which path each operator takes: a native kernel, or the PyTorch reference that defines it.

    \b
    python -m torch_utils.ops                        the report; builds nothing
    python -m torch_utils.ops --build --check        build, then compare every operator with its reference
    python -m torch_utils.ops --clear --build        build from nothing
    FULLHEAD_OPS=reference python ...                never use native kernels
    FULLHEAD_OPS=native python ...                   fail where a native kernel cannot serve
    """
    console = Console(highlight=False, soft_wrap=True)
    if do_clear:
        console.print(f"Removed {format_bytes(build.clear())} of built operators.")
    failed = do_build and not _build(console)
    _report(console)
    if do_check:
        failed |= not _check(console)
    sys.exit(1 if failed else 0)


def _build(console: Console) -> bool:
    try:
        library = build.rebuild()
    except build.BuildError as error:
        console.print(f"[red]Not built.[/red] {error}")
        return False
    console.print(f"Built: {library.path}")
    return True


def _report(console: Console) -> None:
    tools = toolchain.find()
    facts = Table.grid(padding=(0, 2))
    facts.add_row("PyTorch", f"{torch.__version__}, Python {platform.python_version()}")
    facts.add_row("GPU", _gpu())
    facts.add_row("C++ compiler", f"{tools.cxx} ({toolchain.version_of(tools.cxx)})" if tools.cxx else "none")
    facts.add_row("ninja", f"{tools.ninja} ({toolchain.version_of(tools.ninja)})" if tools.ninja else "none")
    if torch.version.cuda:
        facts.add_row("nvcc", f"{tools.nvcc} ({toolchain.version_of(tools.nvcc)})" if tools.nvcc else "none")
    facts.add_row("Library", _library_line())
    facts.add_row("FULLHEAD_OPS", native.mode())
    console.print(facts)

    devices = ["cpu", "cuda"] if torch.version.cuda else ["cpu"]
    table = Table("operator", *devices, title_justify="left")
    for op in OPERATORS:
        table.add_row(op, *(_outlook(op, device) for device in devices))
    console.print(table)
    for advice in tools.missing:
        console.print(f"To fix: {advice}")


def _gpu() -> str:
    if not torch.version.cuda:
        return "none: this PyTorch was built without CUDA"
    if not torch.cuda.is_available():
        return f"none: PyTorch has CUDA {torch.version.cuda} but sees no device"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _library_line() -> str:
    try:
        path = build.built_path()
        failure = build.earlier_failure()
    except build.BuildError as error:
        return f"cannot be built: {error}"
    if path:
        return str(path)
    if failure:
        return f"not built: an earlier attempt failed, see {failure}; `python -m torch_utils.ops --build` tries again"
    if not toolchain.find().can_build:
        return "cannot be built here"
    return "not built yet; built at first use, or now by `python -m torch_utils.ops --build`"


def _outlook(op: str, device: str) -> str:
    """The path of an operator, without building anything."""
    if native.mode() == "reference":
        return "reference (FULLHEAD_OPS)"
    if not build.has_kernel(op, device):
        return f"reference (no {device} kernel yet)"
    try:
        unbuilt = build.built_path() is None
        if unbuilt and toolchain.find().can_build and not build.earlier_failure():
            return "native, once built"
    except build.BuildError as error:
        return f"reference ({error})"
    if unbuilt:
        return "reference (not built, see above)"
    reason = native.why_not(op, device)
    return f"reference ({reason})" if reason else "native"


def _check(console: Console) -> bool:
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    passed = True
    for device in devices:
        for example in selfcheck.examples(device):
            reason = native.why_not(example.op, device)
            if reason:
                console.print(f"{example.op} on {device}: only the reference serves, nothing to compare. {reason}")
                continue
            error = selfcheck.largest_error(example)
            agrees = error <= selfcheck.TOLERANCE
            passed &= agrees
            verdict = "agrees" if agrees else "[red]DIFFERS[/red]"
            console.print(f"{example.op} on {device}: native {verdict} with the reference to {error:.1e}")
    return passed


if __name__ == "__main__":
    main()
