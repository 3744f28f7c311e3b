# SPDX-License-Identifier: Apache-2.0
"""The published way in a process of its own: memory goes back to the system there, as where nobody sees to it.

Ours keeps what it has freed (torch_utils/heap.py), and in one process the other way would find it.
"""

import multiprocessing
from dataclasses import replace
from types import TracebackType
from typing import Any

import torch

from benchmarks import harness
from benchmarks.workload import FLOOR, PLAIN, PLAIN_FLOOR, Part, Way, Workload


class Neighbour:
    """Works when it is asked to, and is waited for. A context."""

    def __init__(self, name: str, device: str, keeps_memory: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, name, device, keeps_memory))

    def __enter__(self) -> "Neighbour":
        self._process.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join()

    def ask(self, what: str, *arguments: Any) -> Any:
        self._pipe.send((what, arguments))
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process of the published way has ended; its message stands above") from None
        if isinstance(answer, torch.OutOfMemoryError):
            raise answer
        return answer

    def instead(self, workload: Workload) -> Workload:
        """The same work, of which the published way is done by this process, and so is its floor."""
        ways = {**workload.ways, PLAIN: self._here(workload, PLAIN)}
        if FLOOR in ways and workload.unit == "picture":  # A frame's is of fewer convolutions than the published way's.
            ways[PLAIN_FLOOR] = self._here(workload, FLOOR)
        pictures = {**workload.pictures, PLAIN: lambda number: self.ask("picture", number)} if workload.pictures else {}
        return replace(workload, ways=ways, pictures=pictures)

    def _here(self, workload: Workload, way: str) -> Way:
        return {
            name: Part(
                lambda number, name=name: self.ask("work", way, name, number),
                part.times,
                lambda name=name: self.ask("peak", way, name),
            )
            for name, part in workload.ways[way].items()
        }


def _serve(pipe: Any, name: str, device: str, keeps_memory: bool) -> None:
    from benchmarks.compare import ENTRIES  # noqa: PLC0415 - it is what starts this process

    if keeps_memory:
        harness.take_device(device)
    with ENTRIES[name].make(device, False) as workload:
        while (asked := pipe.recv()) is not None:
            try:
                pipe.send(_answer(workload, device, *asked))
            except torch.OutOfMemoryError as error:
                pipe.send(torch.OutOfMemoryError(str(error)))


def _answer(workload: Workload, device: str, what: str, arguments: tuple[Any, ...]) -> Any:
    if what == "work":
        way, part, number = arguments
        workload.ways[way][part].work(number)
        return harness.wait(device)
    if what == "peak":
        way, part = arguments
        return harness.peak_bytes(lambda: workload.ways[way][part].work(0), device)
    return workload.pictures[PLAIN](*arguments).float().cpu()
