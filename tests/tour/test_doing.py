# SPDX-License-Identifier: Apache-2.0
"""Parts are done once, again where something has changed, and go on where they were stopped; a failure is told."""

import dataclasses
import itertools
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tour import doing
from tour.doing import StoppedError, Tour
from tour.parts import Part

# Adds a line to a file in the part's folder, so that one sees how often it ran there.
WRITER = "import pathlib, sys\nwith pathlib.Path(sys.argv[1]).open('a') as file: file.write('once\\n')\n"
FAILING = "import sys\nsys.exit(3)\n"
SLOW = "import pathlib, sys, time\npathlib.Path(sys.argv[1]).write_text('begun')\ntime.sleep(60)\n"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    for name, text in {"write.py": WRITER, "fail.py": FAILING, "slow.py": SLOW}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "model.safetensors").write_bytes(b"one")
    return tmp_path


def part(scripts: Path, name: str, script: str = "write.py", *words: str, **more) -> Part:
    made = scripts / "tour" / name / "made.txt"
    command = (str(scripts / script), str(made), *words)
    return Part(name, name.title(), "It is done.", (command,), (made,), **more)


def lines(scripts: Path, name: str) -> int:
    return len((scripts / "tour" / name / "made.txt").read_text().splitlines())


def tour(scripts: Path, *parts: Part) -> Tour:
    (scripts / "tour").mkdir(exist_ok=True)
    return Tour(scripts / "tour", parts, str(scripts / "model.safetensors"))


def do(tour: Tour, force: bool = False) -> dict[str, str]:
    tour.do(threading.Event(), force=force, show=lambda: None)
    return {name: outcome.status for name, outcome in tour.outcomes.items()}


def test_a_finished_part_is_not_repeated_unless_that_is_asked_for(scripts: Path) -> None:
    for _ in range(2):
        assert do(tour(scripts, part(scripts, "a"))) == {"a": "done"}
        assert lines(scripts, "a") == 1
    (scripts / "tour" / "a" / "left over").touch()
    do(tour(scripts, part(scripts, "a")), force=True)
    assert lines(scripts, "a") == 1
    assert not (scripts / "tour" / "a" / "left over").exists(), "it began in an empty folder"


def test_other_commands_begin_anew_and_so_does_who_reads_what_they_make(scripts: Path) -> None:
    reader = part(scripts, "b", needs=("a",))
    do(tour(scripts, part(scripts, "a"), reader))
    (scripts / "tour" / "b" / "old").touch()
    do(tour(scripts, part(scripts, "a", "write.py", "--more"), reader))
    assert not (scripts / "tour" / "b" / "old").exists()


def test_another_model_begins_anew_what_uses_it(scripts: Path) -> None:
    parts = part(scripts, "a"), part(scripts, "b", uses_model=True)
    do(tour(scripts, *parts))
    for name in "ab":
        (scripts / "tour" / name / "old").touch()
    (scripts / "model.safetensors").write_bytes(b"two")
    do(tour(scripts, *parts))
    assert (scripts / "tour" / "a" / "old").exists()
    assert not (scripts / "tour" / "b" / "old").exists()


def test_a_file_that_was_removed_is_made_again(scripts: Path) -> None:
    do(tour(scripts, part(scripts, "a")))
    (scripts / "tour" / "a" / "made.txt").unlink()
    assert do(tour(scripts, part(scripts, "a"))) == {"a": "done"}
    assert lines(scripts, "a") == 1


def test_a_part_that_fails_is_told_and_the_rest_goes_on(scripts: Path) -> None:
    parts = part(scripts, "a", "fail.py"), part(scripts, "b", needs=("a",)), part(scripts, "c")
    whole = tour(scripts, *parts)
    assert do(whole) == {"a": "failed", "b": "left out", "c": "done"}
    assert whole.has_failed
    assert "status 3" in whole.outcomes["a"].why
    assert "needs the part a" in whole.outcomes["b"].why
    mended = tour(scripts, part(scripts, "a"), *parts[1:])
    assert set(do(mended).values()) == {"done"}
    assert not mended.has_failed
    assert lines(scripts, "c") == 1


def test_what_was_not_made_or_cannot_be_finished_or_used_is_a_failure(scripts: Path) -> None:
    def broken() -> None:
        raise ValueError("no heads in it")

    lacking = dataclasses.replace(part(scripts, "a"), makes=(scripts / "nowhere",))
    whole = tour(scripts, lacking, part(scripts, "b", finish=broken), part(scripts, "c", uses_model=True))
    whole.network = "no-such-model"
    assert set(do(whole).values()) == {"failed"}
    assert "nowhere was not made" in whole.outcomes["a"].why
    assert "no heads in it" in whole.outcomes["b"].why
    assert "no-such-model" in whole.outcomes["c"].why


@pytest.mark.parametrize("is_finished", [False, True])
def test_a_command_that_made_nothing_is_given_again(scripts: Path, is_finished: bool) -> None:
    empty = part(scripts, "a", finish=(lambda: lines(scripts, "a")) if is_finished else None)
    (scripts / "write.py").write_text("")
    assert do(tour(scripts, empty)) == {"a": "failed"}
    (scripts / "write.py").write_text(WRITER)
    assert do(tour(scripts, empty)) == {"a": "done"}
    assert lines(scripts, "a") == 1


def test_a_stopped_part_goes_on_in_its_folder(scripts: Path) -> None:
    asked, made = threading.Event(), scripts / "tour" / "a" / "made.txt"

    def stop_when_begun() -> None:
        while not made.exists():
            asked.wait(0.01)
        asked.set()

    thread = threading.Thread(target=stop_when_begun, daemon=True)
    thread.start()
    slow = part(scripts, "a", "slow.py")
    first = tour(scripts, slow, part(scripts, "b"))
    with pytest.raises(StoppedError):
        first.do(asked, force=False, show=lambda: None)
    thread.join()
    assert [outcome.status for outcome in first.outcomes.values()] == ["stopped", "waiting"]
    note = json.loads((scripts / "tour" / "a" / ".part.json").read_text())
    assert (note["made"], note["seconds"] > 0) == (None, True)
    (scripts / "slow.py").write_text(WRITER)  # The same command, which now ends.
    (scripts / "tour" / "a" / "kept").touch()
    assert do(tour(scripts, slow)) == {"a": "done"}
    assert (scripts / "tour" / "a" / "kept").exists()
    assert json.loads((scripts / "tour" / "a" / ".part.json").read_text())["seconds"] >= note["seconds"]


def test_commands_that_were_done_are_not_repeated_where_a_later_one_failed(scripts: Path) -> None:
    once, failing = part(scripts, "a"), part(scripts, "a", "fail.py")
    both = dataclasses.replace(once, commands=once.commands + failing.commands)
    for _ in range(2):
        whole = tour(scripts, both)
        assert do(whole) == {"a": "failed"}
        assert "--force" in whole.outcomes["a"].why
    (scripts / "fail.py").write_text("")
    assert do(tour(scripts, both)) == {"a": "done"}
    assert lines(scripts, "a") == 1


@pytest.mark.parametrize("theirs", ["a/file", "checks/heads.zip", "index.html"])
def test_what_others_have_in_the_folder_is_not_touched(scripts: Path, theirs: str) -> None:
    path = scripts / "tour" / theirs
    path.parent.mkdir(parents=True)
    path.touch()
    for _ in range(2):  # A folder that was refused is not marked.
        with pytest.raises(ValueError, match="name another folder"):
            tour(scripts, part(scripts, "a")).claim_folder()
    assert path.exists()


def test_ones_own_folder_and_one_where_nothing_is_in_the_way_are_fine(scripts: Path) -> None:
    tour(scripts, part(scripts, "a")).claim_folder()
    do(tour(scripts, part(scripts, "a")))
    (scripts / "tour" / "index.html").touch()
    tour(scripts, part(scripts, "a"), part(scripts, "b")).claim_folder()
    shutil.rmtree(scripts / "tour" / "a")
    again = tour(scripts, part(scripts, "a"))
    again.claim_folder()
    assert do(again) == {"a": "done"}


class KilledError(BaseException):
    """Nothing in the program catches it."""


def half_removed(folder: Path) -> None:
    (folder / "left over").unlink()
    raise KilledError


def killed(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize(
    ("where", "dies"),
    [
        ("tour.doing.shutil.rmtree", half_removed),
        ("tour.doing.Path.mkdir", killed),
        ("tour.doing.Tour._work", killed),
        ("tour.doing.run_child", killed),
    ],
)
def test_what_was_killed_while_a_part_began_anew_goes_on(
    scripts: Path, monkeypatch: pytest.MonkeyPatch, where: str, dies: Callable
) -> None:
    first = tour(scripts, part(scripts, "a"))
    first.claim_folder()
    do(first)
    (scripts / "tour" / "a" / "left over").touch()
    second = tour(scripts, part(scripts, "a"))
    with monkeypatch.context() as patch:
        patch.setattr(where, dies)
        with pytest.raises(KilledError):
            do(second, force=True)
    third = tour(scripts, part(scripts, "a"))
    third.claim_folder()
    assert do(third) == {"a": "done"}
    assert lines(scripts, "a") == 1
    assert not (scripts / "tour" / "a" / "left over").exists()


def test_what_was_killed_in_its_first_command_goes_on_with_what_that_left(
    scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tour.doing.run_child", killed)
        with pytest.raises(KilledError):
            do(tour(scripts, part(scripts, "a")))
    (scripts / "tour" / "a" / "unfinished").touch()
    assert do(tour(scripts, part(scripts, "a"))) == {"a": "done"}
    assert (scripts / "tour" / "a" / "unfinished").exists()


def test_a_folder_that_cannot_be_emptied_is_a_failure_of_its_part(scripts: Path) -> None:
    whole = tour(scripts, part(scripts, "a"), part(scripts, "b"))
    (scripts / "tour" / "a").touch()
    assert do(whole) == {"a": "failed", "b": "done"}
    assert "remove it" in whole.outcomes["a"].why


def test_a_tour_says_how_long_its_parts_took_together(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(doing, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # A look takes a second.
    whole = tour(scripts, part(scripts, "a"), part(scripts, "b"))
    do(whole)
    assert whole.seconds == sum(outcome.seconds for outcome in whole.outcomes.values()) >= 2
    again = tour(scripts, part(scripts, "a"), part(scripts, "b"))
    do(again)
    assert again.seconds == whole.seconds
