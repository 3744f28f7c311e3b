# SPDX-License-Identifier: Apache-2.0
"""Several processes as one run: the only module that knows torch.distributed.

The processes (*ranks*) are started by torchrun, or by `torch_utils.launch`, and learn of each other from its
environment variables. Without them there is one rank, no process group, and every function here still works. NCCL
connects GPUs, gloo CPUs.

Nothing waits for ever. A rank that dies, hangs or fails ends the others with a message that names it: see
`torch_utils.liveness` for how, and `session` for when.
"""

import functools
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor, nn

from torch_utils.liveness import Liveness, RankLostError
from torch_utils.rounds import agree_on_round


def rank() -> int:
    """This process among all, from 0."""
    return _environment("RANK", 0)


def world_size() -> int:
    """How many processes the run has."""
    return _environment("WORLD_SIZE", 1)


def local_rank() -> int:
    """This process among those of this machine, from 0: the index of its GPU."""
    return _environment("LOCAL_RANK", 0)


def is_main() -> bool:
    """Whether this is the process that prints and writes."""
    return rank() == 0


@contextmanager
def session(device: torch.device | str, timeout_s: float = 600.0, silence_s: float = 60.0) -> Iterator[torch.device]:
    """Connect the ranks, for the length of a with block; gives the device of this rank.

    A rank that lives but does not come to a collective for `timeout_s` ends the run. So does one that shows no sign of
    life for `silence_s`; after a broken connection, which a killed process leaves behind on gloo, three seconds are
    enough. The others then raise `RankLostError`; if they cannot within another `silence_s`, they end with status 1.
    An exception that leaves the block on one rank becomes `RankLostError` on the others.
    """
    global _group  # noqa: PLW0603 - the one process group of this process, like the one inside torch.distributed
    device = _own_device(torch.device(device))
    if world_size() == 1:
        yield device
        return
    assert _group is None, "sessions do not nest"
    store, liveness = _rendezvous(timeout_s, silence_s)
    try:
        liveness.start()
        with liveness.collective("the connection of all ranks"):
            dist.init_process_group(
                "nccl" if device.type == "cuda" else "gloo",
                store=dist.PrefixStore("group", store),
                rank=rank(),
                world_size=world_size(),
                timeout=timedelta(seconds=timeout_s + 2 * silence_s),  # The watch comes first: it knows names.
                device_id=device if device.type == "cuda" else None,
            )
        _group = _Group(liveness, device)
        yield device
        liveness.end()
    except BaseException as error:
        liveness.fail(error)
        if dist.is_initialized():
            dist.group.WORLD.abort()  # Others may be gone: a regular end could wait for them.
        raise
    finally:
        _group = None
        if dist.is_initialized():
            dist.destroy_process_group()


def barrier(name: str) -> None:
    """Wait until every rank is here; after the session's time-out, name those that are not."""
    if world_size() > 1:
        _connected().liveness.meet(name)


@torch.no_grad()
def average_(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their mean over the ranks, in one flat reduction. Halves are added up in float32."""
    if wrong := [t.dtype for t in tensors if not t.is_floating_point()]:
        raise ValueError(f"A mean over ranks is taken of floating-point tensors, not of {wrong[0]}: use sum_.")
    _reduce_flat_("average_", tensors, torch.float32, divisor=world_size())


@torch.no_grad()
def sum_(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their sum over the ranks: one flat reduction for floating point, one for integers."""
    _reduce_flat_("sum_", [t for t in tensors if t.is_floating_point()], torch.float32)
    _reduce_flat_("sum_", [t for t in tensors if not t.is_floating_point()], torch.int64)


@torch.no_grad()
def broadcast_(tensors: Sequence[Tensor], src: int = 0) -> None:
    """Replace tensors by those of rank `src`, bit for bit, in one flat transfer."""
    if world_size() == 1 or not tensors:
        return
    group = _connected()
    flat = torch.cat([_bytes(t).to(group.device) for t in tensors])
    with group.liveness.collective("broadcast_"):
        dist.broadcast(flat, src)
    for tensor, piece in zip(tensors, flat.split([t.nbytes for t in tensors]), strict=True):
        # The bytes are copied so that they start where a wider type may start.
        tensor.copy_(piece.clone().view(tensor.dtype).view(tensor.shape))


def gather_json(value: Any) -> list[Any]:
    """Every rank's value, in the order of the ranks. Values travel as JSON, never as code."""
    if world_size() == 1:
        return [json.loads(json.dumps(value))]
    text = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
    lengths = _gather_rows(torch.tensor([len(text)]))[:, 0].tolist()
    rows = _gather_rows(nn.functional.pad(text, (0, max(lengths) - len(text))))
    return [json.loads(row[:length].numpy().tobytes()) for row, length in zip(rows, lengths, strict=True)]


@dataclass(frozen=True)
class _Group:
    liveness: Liveness
    device: torch.device  # Where tensors must be to travel.


_group: _Group | None = None


def _connected() -> _Group:
    assert _group is not None, "more than one rank, but no session: use these functions inside `with session(...)`"
    return _group


def _environment(name: str, default: int) -> int:
    # One of the two without the other is some batch system's variable, not ours.
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        return default
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ValueError(f"The environment variable {name} is {text!r}, not a number: start with torchrun or --gpus.")
    return int(text)


def _own_device(device: torch.device) -> torch.device:
    if not 0 <= rank() < world_size():
        raise ValueError(
            f"RANK is {rank()} and WORLD_SIZE {world_size()}: ranks count from 0. Start with torchrun or --gpus."
        )
    if world_size() == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ValueError(f"{world_size()} processes work on cuda or cpu, not on {device.type}: use one process.")
    num_gpus = torch.cuda.device_count()
    if local_rank() >= num_gpus:
        raise ValueError(
            f"Process {local_rank()} of this machine finds {num_gpus} GPUs: start at most one process for each GPU."
        )
    torch.cuda.set_device(local_rank())
    return torch.device("cuda", local_rank())


def _rendezvous(timeout_s: float, silence_s: float) -> "tuple[dist.Store, Liveness]":
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ValueError(f"RANK and WORLD_SIZE are set but not {' and '.join(missing)}: start with torchrun or --gpus.")
    host, port = os.environ["MASTER_ADDR"], _environment("MASTER_PORT", 0)
    # torchrun holds the store itself, so that it outlives every rank. Other launchers leave that to rank 0.
    launched = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    holder = f"torchrun on {host}:{port}" if launched else f"rank 0 (it holds the store at {host}:{port})"
    holds = rank() == 0 and not launched
    try:
        store = dist.TCPStore(
            host, port, world_size(), is_master=holds, wait_for_workers=False, timeout=timedelta(seconds=timeout_s)
        )
    except RuntimeError as error:
        problem = "is the port in use?" if holds else f"{holder} did not answer within {timeout_s:g} s."
        raise RankLostError(
            f"Rank {rank()} cannot open the store at {host}:{port}: {problem} ({_first_line(error)})"
        ) from None
    # torchrun starts all ranks again after a failure: what they said before must not count.
    try:
        together = agree_on_round(store, rank(), world_size(), timeout_s)
    except RuntimeError as error:
        raise RankLostError(f"{holder} cannot be reached any more ({_first_line(error)})") from None
    store = dist.PrefixStore(f"round {together}", store)
    # A connection of its own, because the process group may block in the other.
    own_store = dist.PrefixStore("liveness", store.clone())
    limits = {"timeout_s": timeout_s, "silence_s": silence_s}
    return store, Liveness(own_store, rank(), world_size(), holder=holder, holds=holds, **limits)


def _reduce_flat_(name: str, tensors: Sequence[Tensor], at_least: torch.dtype, divisor: int = 1) -> None:
    if world_size() == 1 or not tensors:
        return
    group = _connected()
    dtype = functools.reduce(torch.promote_types, (t.dtype for t in tensors), at_least)
    flat = torch.cat([t.reshape(-1).to(group.device, dtype) for t in tensors])
    with group.liveness.collective(name):
        dist.all_reduce(flat)
    if divisor > 1:
        flat /= divisor
    pieces = flat.split([t.numel() for t in tensors])
    torch._foreach_copy_(list(tensors), [piece.view(t.shape) for t, piece in zip(tensors, pieces, strict=True)])


def _gather_rows(row: Shaped[Tensor, " n"]) -> Shaped[Tensor, "ranks n"]:
    # Every rank adds its row to zeros: one reduction, which all backends have. For small rows.
    group = _connected()
    rows = torch.zeros(world_size(), len(row), dtype=row.dtype, device=group.device)
    rows[rank()] = row
    with group.liveness.collective("a gathering"):
        dist.all_reduce(rows)
    return rows.cpu()


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().view(-1).view(torch.uint8)


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
