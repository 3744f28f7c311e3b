# SPDX-License-Identifier: Apache-2.0
"""Who is still there: the ranks of a run tell each other that they live, and how far they have come.

A collective waits for every rank. When one dies the others would wait for the full time-out (NCCL), or fail with an
address where a name is needed (gloo). So every rank publishes a *beat* in a key-value store, about once a second: a
count that grows while the process runs, and the number and name of the last collective it entered. From these each can
tell

- a *silent* rank, whose count stands still: killed, suspended, or its machine is gone;
- a *late* rank, which lives but does not come to the collective where others wait.

The first rank to know writes the *verdict*, once for all. It is raised as `RankLostError` from the collective, or from
the next one. A process that does not get that far, because it is blocked in native code, prints the verdict and ends.

Patience is counted in own beats, not on a clock: when a whole job is suspended and continued, nobody has missed a beat.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, runtime_checkable

# A meeting asks the store whether all have come: soon at first, seldom when many ranks wait for long.
POLL_S, LONGEST_POLL_S = 0.02, 0.5
# Beats that a rank may miss once a connection has failed, which is evidence by itself. Also how long the process that
# holds the store stays when it fails, so that the others can read why.
FEW_BEATS = 3


class RankLostError(RuntimeError):
    """Other ranks of this run are gone, or did not come. The message names them."""


@runtime_checkable
class Store(Protocol):
    """What is used of a torch.distributed store. A lost connection is a RuntimeError."""

    def set(self, key: str, value: str, /) -> None: ...
    def check(self, keys: list[str], /) -> bool: ...
    def multi_get(self, keys: list[str], /) -> list[bytes]: ...
    def compare_set(self, key: str, expected: str, desired: str, /) -> bytes: ...


class Liveness:
    """This rank's beat, its watch over the others, and the verdict."""

    def __init__(
        self, store: Store, rank: int, world_size: int, *, holder: str, holds: bool, timeout_s: float, silence_s: float
    ):
        assert timeout_s > 0 and silence_s > 0  # noqa: PT018
        self.store = store
        self.holder, self.holds = holder, holds  # Who holds the store, in words; and whether it is this process.
        self.rank, self.world_size = rank, world_size
        self.timeout_s = timeout_s
        self.beat_s = min(1.0, silence_s / 4)
        self.silent_beats = round(silence_s / self.beat_s)
        self.late_beats = round(timeout_s / self.beat_s)

        self.num_beats = 0
        self.num_entered = 0
        self.last_entered = "the start"
        self.inside = False  # Whether the main thread is in a collective now.
        self.suspicious = False  # Whether a connection has failed.
        self.verdict = ""
        self.found = threading.Event()
        self.ended = threading.Event()

    def start(self) -> None:
        """Wait for all ranks to come, then watch over them."""
        self._publish()
        self.meet("the start")
        # Two threads: the one that talks to the store may block there, so the other one keeps an eye on it.
        threading.Thread(target=self._exchange, name="liveness-exchange", daemon=True).start()
        threading.Thread(target=self._guard, name="liveness-guard", daemon=True).start()

    @contextmanager
    def collective(self, name: str) -> Iterator[None]:
        """Around everything that waits for other ranks: a failure because one is gone becomes `RankLostError`."""
        self.num_entered += 1
        self.last_entered = name
        if self.found.is_set():
            raise RankLostError(self.verdict)
        self.inside = True
        try:
            yield
        except RankLostError:
            raise
        except RuntimeError as error:
            self.inside = False
            self.suspicious = True
            # No verdict means that all ranks live, so the error is about something else.
            if self.found.wait((2 * FEW_BEATS + 1) * self.beat_s):
                raise RankLostError(self.verdict) from error
            raise
        finally:
            self.inside = False

    def meet(self, name: str) -> None:
        """Return once every rank has called this: a barrier through the store, which knows who is missing."""
        with self.collective(name):
            keys = [f"met/{self.num_entered}/{name}/{rank}" for rank in range(self.world_size)]
            self.store.set(keys[self.rank], "here")
            waited_s, pause_s = 0.0, POLL_S
            while waited_s < self.timeout_s:
                if self.store.check(keys):
                    return
                if self.found.wait(pause_s):
                    raise RankLostError(self.verdict)
                waited_s += pause_s
                pause_s = min(1.2 * pause_s, LONGEST_POLL_S)
            missing = [rank for rank, key in enumerate(keys) if not self.store.check([key])]
            self._settle(f"{_ranks(missing)} did not come to {name!r} within {self.timeout_s:g} s")
            raise RankLostError(self.verdict)

    def end(self) -> None:
        """The regular end, once all ranks have come to it. The process that holds the store leaves last."""
        self.meet("the end")
        self.ended.set()
        self.store.set(f"left/{self.rank}", "")
        others = [f"left/{rank}" for rank in range(self.world_size) if rank != self.rank]
        for _ in range(round(FEW_BEATS * self.beat_s / POLL_S)):
            if not self.holds or self.store.check(others):
                return
            time.sleep(POLL_S)

    def fail(self, error: BaseException) -> None:
        """The end by an exception in this process. The others learn of it at once, by name."""
        if not isinstance(error, RankLostError):
            message = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
            self._settle(f"rank {self.rank} ended with {message}")
        self._linger()
        self.ended.set()

    def _exchange(self) -> None:
        seen = [b""] * self.world_size
        missed, waited = [0] * self.world_size, [0] * self.world_size
        keys = [f"beat/{rank}" for rank in range(self.world_size)]
        while not self.ended.wait(self.beat_s) and not self.found.is_set():
            try:
                self._publish()
                if self.store.check(["verdict"]):
                    self._settle("")
                    return
                beats = self.store.multi_get(keys)
            except RuntimeError:
                # At the end the store may go before this thread has noticed.
                if not self.ended.wait(self.beat_s):
                    self._settle(
                        f"{self.holder} cannot be reached: its process has ended, or its machine or network is down"
                    )
                return
            self.num_beats += 1
            entered = [int(beat.split()[1]) for beat in beats]
            for rank, beat in enumerate(beats):
                waiting = entered[rank] < max(entered) and entered[rank] == _entered(seen[rank])
                missed[rank] = missed[rank] + 1 if beat == seen[rank] else 0
                waited[rank] = waited[rank] + 1 if waiting else 0
            seen = beats
            limit = FEW_BEATS if self.suspicious else self.silent_beats
            if silent := [rank for rank in range(self.world_size) if missed[rank] >= limit]:
                self._settle(
                    f"{_ranks(silent)} gave no sign of life for {limit * self.beat_s:g} s: killed, suspended or cut off"
                    f" (last seen in {_place(beats[silent[0]])})"
                )
            elif late := [rank for rank in range(self.world_size) if waited[rank] >= self.late_beats]:
                ahead = beats[entered.index(max(entered))]
                self._settle(
                    f"{_ranks(late)} did not come within {self.timeout_s:g} s to {_place(ahead)}, where others wait:"
                    f" still running after {_place(beats[late[0]])}"
                )

    def _guard(self) -> None:
        unanswered, previous = 0, -1
        while not self.found.wait(self.beat_s):
            if self.ended.is_set():
                return
            unanswered = unanswered + 1 if self.num_beats == previous else 0
            previous = self.num_beats
            if unanswered > (FEW_BEATS if self.suspicious else self.silent_beats):
                self._settle(f"{self.holder} does not answer: suspended or cut off", shared=False)
        # Now the main thread should leave by RankLostError. It may finish what it does (a checkpoint, say), but a
        # collective that has not failed by itself after a few beats never will.
        for num_beats in range(self.silent_beats):
            if self.ended.wait(self.beat_s):
                return
            if self.inside and num_beats >= FEW_BEATS:
                break
        try:
            faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
            message = f"Rank {self.rank} ends, blocked as shown above, because {self.verdict}."
            print(message, file=sys.__stderr__, flush=True)
            self._linger()
        finally:  # Whatever became of the message.
            os._exit(1)

    def _publish(self) -> None:
        self.store.set(f"beat/{self.rank}", f"{self.num_beats} {self.num_entered} {self.last_entered}")

    def _settle(self, verdict: str, shared: bool = True) -> None:
        if shared:
            with suppress(RuntimeError):  # If the store is gone, each rank is for itself.
                verdict = self.store.compare_set("verdict", "", verdict).decode()
        if not self.found.is_set():
            self.verdict = verdict
            self.found.set()

    def _linger(self) -> None:
        if self.holds:
            time.sleep(FEW_BEATS * self.beat_s)


def _entered(beat: bytes) -> int:
    return int(beat.split()[1]) if beat else -1


def _place(beat: bytes) -> str:
    _, entered, name = beat.decode().split(" ", 2)
    return f"{name!r} (collective {entered})"


def _ranks(ranks: Iterable[int]) -> str:
    ranks = list(ranks)
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"
