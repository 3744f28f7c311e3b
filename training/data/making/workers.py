# SPDX-License-Identifier: Apache-2.0
"""Work done by several processes, each job by one of them, with results as they come.

Processes are started afresh instead of forked: threads and locks of this one do not survive a fork. Each computes with
one thread. They end with their parent, however that ends.
"""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Generic, NamedTuple, TypeVar

from training.data.problems import DataError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Read by numerical libraries when they are loaded.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkError(RuntimeError):
    """A job failed by a mistake of the program. The message holds the traceback from the other process."""


class _Failure(NamedTuple):
    """An exception on its way to this process, as text: not every exception survives pickling."""

    message: str
    is_mistake_of_user: bool


def in_parallel(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, Result]]:
    """Yields every job with its result, in any order. With one worker the jobs are done here, one after the other.

    `work` and the jobs can be pickled. A ValueError or OSError of a job becomes a DataError, others a WorkError.
    """
    assert workers >= 1
    if min(workers, len(jobs)) <= 1:
        for job in jobs:
            yield job, _alone(work, job)
        return
    with contextlib.ExitStack() as exits:
        started: list[_Worker[Job, Result]] = []
        for _ in range(min(workers, len(jobs))):
            started.append(_Worker())
            exits.callback(started[-1].end)
        for worker in started:
            worker.send(work)
        yield from _share_out(started, jobs)


def _alone(work: Callable[[Job], Result], job: Job) -> Result:
    try:
        return work(job)
    except (ValueError, OSError) as error:
        raise DataError(_message_of(error)) from error


def _share_out(workers: "list[_Worker[Job, Result]]", jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
    waiting = iter(jobs)
    busy: dict[Connection, tuple[_Worker[Job, Result], Job]] = {}
    for worker, job in zip(workers, waiting, strict=False):
        worker.send(job)
        busy[worker.connection] = worker, job
    while busy:
        for connection in wait(list(busy)):
            worker, job = busy.pop(connection)
            result = worker.take()
            for following in waiting:
                worker.send(following)
                busy[connection] = worker, following
                break
            yield job, result


class _Worker(Generic[Job, Result]):
    """A process at the other end of a pipe."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _keyboard_interrupts_wait():
            self._process.start()
        # Theirs stays open there alone, so that reading here ends when they do.
        theirs.close()

    def send(self, thing: "Callable[[Job], Result] | Job") -> None:
        """First what it is to do with jobs, then one job after the other."""
        # A process that died tells nothing; whoever takes its result finds that out.
        with contextlib.suppress(ConnectionError):
            self.connection.send(thing)

    def take(self) -> Result:
        """The result of the job that was given, when it is there."""
        try:
            outcome = self.connection.recv()
        except (EOFError, ConnectionError):
            raise self._why_it_died() from None
        if isinstance(outcome, _Failure):
            raise (DataError if outcome.is_mistake_of_user else WorkError)(outcome.message)
        return outcome

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.connection.close()

    def _why_it_died(self) -> DataError:
        self._process.join()
        code = self._process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return DataError(f"a worker process {how}, as happens when memory runs out; try again with fewer workers")


def _serve(connection: Connection) -> None:
    """The life of a worker: one job after the other, until nobody is there who gives them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides what it means.
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    with contextlib.suppress(EOFError, ConnectionError):
        # Received and not an argument of this function: what it imports reads the number of threads.
        work = _received(connection)
        while True:
            job = connection.recv()
            connection.send(work if isinstance(work, _Failure) else _attempt(work, job))


def _received(connection: Connection) -> "Callable[[Job], Result] | _Failure":
    try:
        return connection.recv()
    except (EOFError, ConnectionError):
        raise
    except Exception:  # Of whatever is imported here for the first time.
        return _Failure(traceback.format_exc(), is_mistake_of_user=False)


def _attempt(work: Callable[[Job], Result], job: Job) -> "Result | _Failure":
    try:
        return work(job)
    except (ValueError, OSError) as error:
        return _Failure(_message_of(error), is_mistake_of_user=True)
    except Exception:
        return _Failure(traceback.format_exc(), is_mistake_of_user=False)


def _message_of(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@contextlib.contextmanager
def _keyboard_interrupts_wait() -> Iterator[None]:
    """Holds Ctrl-C back, here and for good in a process started meanwhile, which would print a traceback otherwise."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # Started together with a process, it would let them through again.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
