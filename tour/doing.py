# SPDX-License-Identifier: Apache-2.0
"""Each part of a tour once: what is finished is not repeated unless what it follows from has changed.

FOLDER/.tour marks a folder as a tour's, before anything is made in it. FOLDER/NAME/.part.json notes what a part is made
from, which of its commands are done, and how long they took. A part that was stopped goes on in its folder with the
command that was stopped, which itself goes on if it can; one whose inputs have changed begins in an empty folder. A
part that fails is told, and the rest goes on, except for parts that need it.
"""

import dataclasses
import hashlib
import json
import secrets
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from dnnlib.atomic import atomic_write_text
from dnnlib.child import run_child
from dnnlib.console import get_logger
from dnnlib.text import format_duration
from tour.parts import Part
from training.pretrained.sources import find

log = get_logger(__name__)

ROOT = Path(__file__).resolve().parents[1]
_NOTE = ".part.json"
_MARK = ".tour"
_MARK_SAYS = "demo.py made this folder. What has the name of a part here is removed whenever that part begins anew.\n"
Status = Literal["done", "failed", "left out", "stopped", "waiting"]


class StoppedError(Exception):
    """Somebody asked to stop. The same command goes on."""


class PartError(Exception):
    """A part could not be finished. Says why."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    status: Status
    seconds: float = 0.0
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Note:
    """What a part's folder says of it."""

    made_from: str
    commands: int = 0  # That are done.
    seconds: float = 0.0
    made: str | None = None  # Another text whenever it was finished.


class Tour:
    """The parts in one folder, and what has become of them so far."""

    def __init__(self, folder: Path, parts: Sequence[Part], network: str) -> None:
        self.folder, self.parts, self.network = folder, parts, network
        self.outcomes = {part.name: Outcome("waiting") for part in parts}

    @property
    def seconds(self) -> float:
        """How long the parts took that are there, whenever that was."""
        return sum(outcome.seconds for outcome in self.outcomes.values())

    def do(self, asked: threading.Event, *, force: bool, show: Callable[[], object]) -> None:
        """All parts. `show` is called whenever there is something new to be seen."""
        for number, part in enumerate(self.parts, 1):
            log.info(f"Part {number} of {len(self.parts)}: {part.title}")
            missing = [name for name in part.needs if self.outcomes[name].status != "done"]
            if missing:
                self.outcomes[part.name] = Outcome("left out", why=f"it needs the part {missing[0]}, which failed")
                log.warning(f"left out: {self.outcomes[part.name].why}")
            else:
                self.outcomes[part.name] = self._do(part, asked, force)
            show()
            if asked.is_set():
                raise StoppedError

    @property
    def has_failed(self) -> bool:
        """Whether any part is not there."""
        return any(outcome.status != "done" for outcome in self.outcomes.values())

    def claim_folder(self) -> None:
        """Marks the folder as a tour's, or refuses one in which somebody has things that would be replaced.

        A mark outlives whatever happens to the parts, so that what was killed at any moment goes on.
        """
        mark = self.folder / _MARK
        if mark.exists():
            return
        for name in ["index.html", "checks", *(part.name for part in self.parts)]:
            path = self.folder / name
            if path.exists():
                raise ValueError(
                    f"{path}: is not this program's, and would be replaced: name another folder with --outdir"
                )
        atomic_write_text(mark, _MARK_SAYS)

    def _do(self, part: Part, asked: threading.Event, force: bool) -> Outcome:
        note = self._note(part)
        try:
            made_from = self._made_from(part)
        except ValueError as error:  # There is no such model.
            log.error(str(error))
            return Outcome("failed", why=str(error))
        is_new = note.made_from != made_from or force
        if not is_new and note.made is not None and all(path.exists() for path in part.makes):
            log.info(f"done before, in {format_duration(note.seconds)}; --force does it again")
            return Outcome("done", note.seconds)
        log.info(part.says)
        try:
            if is_new or note.made is not None:
                note = Note(made_from)
                self._empty(part)
            note = self._work(part, note, asked)
        except StoppedError:
            return Outcome("stopped", self._note(part).seconds)
        except PartError as error:
            log.error(f"{part.title}: {error}")
            return Outcome("failed", self._note(part).seconds, str(error))
        log.info(f"done, in {format_duration(note.seconds)}")
        return Outcome("done", note.seconds)

    def _empty(self, part: Part) -> None:
        """Its note goes first: a folder of which half is removed must not look finished."""
        own = self.folder / part.name
        try:
            self._note_of(part).unlink(missing_ok=True)
            if own.exists():
                shutil.rmtree(own)
            own.mkdir()
        except OSError as error:
            raise PartError(f"{own} cannot be emptied ({error}): remove it") from error

    def _work(self, part: Part, note: Note, asked: threading.Event) -> Note:
        start_s, earlier_s = time.monotonic(), note.seconds

        def keep(**changes: Any) -> Note:
            nonlocal note
            note = dataclasses.replace(note, seconds=round(earlier_s + time.monotonic() - start_s, 1), **changes)
            atomic_write_text(self._note_of(part), json.dumps(dataclasses.asdict(note), indent=1) + "\n")
            return note

        keep()
        for number, command in list(enumerate(part.commands, 1))[note.commands :]:
            log.info(shlex.join(["python", *command]))
            script, *words = command
            code = run_child([sys.executable, str(ROOT / script), *words], asked)
            if asked.is_set() or code != 0:
                keep()
            if asked.is_set():
                raise StoppedError
            if code != 0:
                raise PartError(
                    f"`{command[0]}` ended with status {code}; what it says is above. --force begins it anew"
                )
            keep(commands=number)
        if part.finish is not None:
            try:
                part.finish()
            except (OSError, ValueError, KeyError) as error:
                keep(commands=0)  # They said that they were done, and are to be given again.
                raise PartError(
                    f"what the commands left is not as it should be: {error}. --force begins the part anew"
                ) from error
        missing = [path for path in part.makes if not path.exists()]
        if missing:
            keep(commands=0)
            raise PartError(f"{missing[0]} was not made; --force begins the part anew")
        return keep(made=secrets.token_hex(8))

    def _note_of(self, part: Part) -> Path:
        return self.folder / part.name / _NOTE

    def _note(self, part: Part) -> Note:
        try:
            return Note(**json.loads(self._note_of(part).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Note("")

    def _made_from(self, part: Part) -> str:
        """A digest of the commands, of the model where it is used, and of the parts whose files are read."""
        facts: dict[str, Any] = {"commands": part.commands}
        if part.uses_model:
            facts["model"] = hashlib.blake2b(find(self.network).read_bytes(), digest_size=16).hexdigest()
        by_name = {each.name: each for each in self.parts}
        facts["needs"] = [self._note(by_name[name]).made for name in part.needs]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()
