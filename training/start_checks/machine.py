# SPDX-License-Identifier: Apache-2.0
"""Whether batches can be cut up as wanted, memory and disk have room, and what is to be compiled can be."""

from collections.abc import Iterable, Iterator

from dnnlib.text import format_bytes
from training.start_checks.finding import Facts, Finding, refuse, warn


def batches(facts: Facts) -> Iterator[Finding]:
    loop, group, ranks = facts.config.loop, facts.config.critic.group_size, facts.machine.num_ranks
    if loop.batch % ranks:
        yield from refuse(
            f"a batch of {loop.batch} cannot be shared by {ranks} processes: "
            f"--batch={_near_multiple(loop.batch, ranks * group)}"
        )
        return
    share = loop.batch // ranks
    part = loop.part or share
    if share % part:
        yield from refuse(
            f"{part} pictures at a time (--batch-gpu) do not divide the {share} of each process: choose "
            f"{_listed(n for n in range(1, share + 1) if share % n == 0 and n % group == 0) or share}"
        )
    elif part < group or part % group:
        fitting = [n for n in range(group, share + 1, group) if share % n == 0]
        remedy = (
            f"--batch-gpu={_listed(fitting)}"
            if fitting
            else f"--batch={_near_multiple(loop.batch, ranks * group)}, or --mbstd-group={part}"
        )
        yield from refuse(
            f"the critic compares {group} pictures with each other (critic.group_size), but {part} are computed "
            f"together{f' in each of {ranks} processes' if ranks > 1 else ''}: {remedy}"
        )
    if group == 1:
        yield from warn(
            "the critic compares every picture with itself (critic.group_size is 1), so it cannot see that all are "
            "alike: --mbstd-group=4"
        )


def memory(facts: Facts) -> Iterator[Finding]:
    needed, available = facts.needed_bytes, facts.machine.available_bytes
    if needed is None or available is None or needed < 0.9 * available:
        return
    loop, group = facts.config.loop, facts.config.critic.group_size
    share = loop.batch // facts.machine.num_ranks
    part = min(loop.part or share, share)
    where = "the GPU" if facts.machine.device_type == "cuda" else "memory"
    each = " for each process" if facts.machine.num_local_ranks > 1 else ""
    smaller = [n for n in range(group, part, group) if share % n == 0 and n <= 0.8 * part * available / needed]
    remedy = (
        f"--batch-gpu={smaller[-1]} computes fewer pictures together, with the same result"
        if smaller
        else "no smaller --batch-gpu helps: choose a smaller configuration, bf16 (--g_num_fp16_res, --d_num_fp16_res), "
        "or fewer rays (--neural_rendering_resolution_initial)"
    )
    text = (
        f"training takes about {format_bytes(needed)}{each}, and {where} has {format_bytes(available)} free: {remedy}"
    )
    # The prediction may be wrong by a fifth.
    yield Finding("refuse" if needed > 1.2 * available else "warn", text)


def folder(facts: Facts) -> Iterator[Finding]:
    machine, kept = facts.machine, facts.config.loop.keep_last + 1
    if not machine.is_writable:
        yield from refuse("the folder of the run cannot be written: choose another one, or ask for permission")
    elif machine.free_disk_bytes is not None and machine.free_disk_bytes < kept * facts.save_bytes:
        text = (
            f"a save takes {format_bytes(facts.save_bytes)}, {kept} must fit, and the disk has "
            f"{format_bytes(machine.free_disk_bytes)} left: make room, or choose a folder on another disk"
        )
        yield Finding("refuse" if machine.free_disk_bytes < facts.save_bytes else "warn", text)


def _near_multiple(count: int, of: int) -> int:
    return max(round(count / of), 1) * of


def _listed(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))


def compiling(facts: Facts) -> Iterator[Finding]:
    reason = facts.machine.why_no_compiling
    if facts.config.numerics.compile and reason is not None:
        yield from refuse(f"networks cannot be compiled: {reason}; or --set numerics.compile=no")
