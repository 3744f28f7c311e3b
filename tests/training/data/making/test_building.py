# SPDX-License-Identifier: Apache-2.0

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.marks import slow_but
from tests.training.data.making.toy_items import LABEL, Toys, build_toys, content_of
from training.data.images import decode_image, decode_mask
from training.data.making import placing, unfinished
from training.data.making.building import Made, Summary
from training.data.making.workers import WorkError
from training.data.problems import DataError, Problem

ROOT = Path(__file__).resolve().parents[4]


def start(folder: Path, seconds: float, workers: int = 1) -> subprocess.Popen:
    numbers = str(seconds), str(workers)
    arguments = [sys.executable, "-m", "tests.training.data.making.toy_items", str(folder), *numbers]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archives of twenty toys without the seventh, byte by byte."""
    folder = tmp_path_factory.mktemp("expected")
    assert build_toys(Toys(skipped=(7,)), folder).num_made == 19
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_set_holds_what_was_made_under_running_numbers(tmp_path: Path) -> None:
    sources = [
        {"name": "a", "first": 0, "count": 10, "weight": 1},
        {"name": "b", "first": 10, "count": 10, "weight": 3},
    ]
    summary = build_toys(Toys(skipped=(7,)), tmp_path, sources=sources, settings={"version": 1, "tool": {"x": 2}})
    assert summary == Summary(19, [Problem("toy7", "is broken", "mend it")])
    images, masks, truth = (content_of(tmp_path / f"{kind}.zip") for kind in ("img", "seg", "truth"))

    dataset = json.loads(images.pop("dataset.json"))
    numbers = [n for n in range(20) if n != 7]
    names = [f"00000/img{i:08d}.png" for i in range(19)]
    assert [name for name, _ in dataset["labels"]] == names == sorted(images) == sorted(masks)
    assert [label for _, label in dataset["labels"]] == [
        pytest.approx([*LABEL[:3], n / 10, *LABEL[4:]], abs=1e-6) for n in numbers
    ]
    assert dataset["fnames"] == [[name, f"toy{n}.png"] for name, n in zip(names, numbers, strict=True)]
    assert dataset["tool"] == {"x": 2}
    assert [(s["first"], s["count"], s["weight"]) for s in dataset["sources"]] == [(0, 9, 1), (9, 10, 3)]

    stacked = np.load(io.BytesIO(truth.pop("truth.npz")))
    assert sorted(truth) == [name.replace(".png", "/depth.npy") for name in names]
    assert stacked["number"].tolist() == numbers
    assert stacked["pose"].shape == (19, 4, 4)
    for name, n in zip(names, numbers, strict=True):
        toy = Toys()(n)
        assert np.array_equal(decode_image(images[name], name), toy.image)
        assert np.array_equal(decode_mask(masks[name], name), toy.mask)
        depth = np.load(io.BytesIO(truth[name.replace(".png", "/depth.npy")]))
        assert np.array_equal(depth, toy.truth["depth"])


def test_a_folder_holds_the_same_files_as_an_archive(tmp_path: Path) -> None:
    build_toys(Toys(), tmp_path)
    build_toys(Toys(), tmp_path, img_dest=tmp_path / "i", seg_dest=tmp_path / "s", truth_dest=tmp_path / "t")
    for folder, archive in (("i", "img.zip"), ("s", "seg.zip"), ("t", "truth.zip")):
        assert content_of(tmp_path / folder) == content_of(tmp_path / archive)
    assert not list(tmp_path.glob("*.parts"))


def num_shards(folder: Path) -> int:
    return len(list((folder / "img.zip.parts").glob("shard*")))


def test_a_killed_command_takes_its_workers_along_and_goes_on_later(tmp_path: Path, expected: dict[str, bytes]) -> None:
    process = start(tmp_path, 0.1, workers=2)
    wait_for(lambda: num_shards(tmp_path) >= 2)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert 2 <= num_shards(tmp_path) < 20
    assert build_toys(Toys(skipped=(7,)), tmp_path).num_made == 19
    assert files_of(tmp_path) == expected


@pytest.mark.slow
def test_a_command_killed_at_any_time_goes_on_and_makes_the_same_bytes(
    tmp_path: Path, expected: dict[str, bytes]
) -> None:
    chance = random.Random(0)
    for kill in range(2):
        process = start(tmp_path, 0.02)
        wait_for(lambda kill=kill: num_shards(tmp_path) >= 5 + 7 * kill)
        time.sleep(chance.random() * 0.03)
        process.kill()
        process.communicate()
    process = start(tmp_path, 0.0)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "num_made=19" in output
    assert files_of(tmp_path) == expected


@pytest.mark.parametrize("moment", range(12))
def test_a_kill_while_the_set_is_put_together_loses_nothing(
    moment: int, tmp_path: Path, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    steps = iter(range(1000))

    def killing(function):
        def step(*args, **kwargs):
            result = function(*args, **kwargs)
            if next(steps) == moment:
                raise Killed
            return result

        return step

    # The steps are the changes that a kill can come between.
    with monkeypatch.context() as patched:
        patched.setattr(unfinished, "atomic_write_text", killing(unfinished.atomic_write_text))
        patched.setattr(placing, "replace_store", killing(placing.replace_store))
        patched.setattr(Path, "unlink", killing(Path.unlink))
        with pytest.raises(Killed):
            build_toys(Toys(skipped=(7,)), tmp_path)
    if (tmp_path / "img.zip.parts").exists():
        summary = build_toys(Toys(skipped=(7,)), tmp_path)
        assert summary.num_made == 19
        assert len(summary.skipped) == 1
    assert files_of(tmp_path) == expected


def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(tmp_path: Path) -> None:
    process = start(tmp_path, 0.2, workers=2)
    while num_shards(tmp_path) == 0:
        assert process.poll() is None
        for worker in children_of(process.pid):  # It does nothing to them, also while they start.
            os.kill(worker, signal.SIGINT)
        time.sleep(0.02)
    workers = children_of(process.pid)
    for pid in (process.pid, *workers):  # As a terminal does.
        os.kill(pid, signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert "The same command goes on" in output
    assert output.count("Traceback") == 1  # Of this process, whose script does not catch it.
    assert "img.zip.parts" in output
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_other_settings_than_those_of_unfinished_work_are_refused(tmp_path: Path) -> None:
    breaking = Toys(raises=((9, ValueError("no")),))
    with pytest.raises(DataError, match="item 9: no"):
        build_toys(breaking, tmp_path)
    assert (tmp_path / "img.zip.parts").is_dir()
    with pytest.raises(DataError, match=r"settings.version was 1, is 2.*--force"):
        build_toys(Toys(), tmp_path, settings={"version": 2})
    with pytest.raises(DataError, match="state of the sources"):
        build_toys(Toys(), tmp_path, inputs="other")
    build_toys(Toys(side=4), tmp_path, settings={"version": 2}, force=True)
    images = content_of(tmp_path / "img.zip")
    assert {decode_image(data, name).shape for name, data in images.items() if name.endswith("png")} == {(4, 4, 3)}


def test_only_what_is_missing_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        build_toys(Toys(raises=((9, ValueError("no")),)), tmp_path)
    # What was made before the error is not made again, or it would raise now.
    summary = build_toys(Toys(raises=((3, ValueError("again")),)), tmp_path)
    assert summary.num_made == 20


def test_what_exists_is_refused_without_force_and_replaced_with_it(tmp_path: Path) -> None:
    folders = {"img_dest": tmp_path / "i", "seg_dest": tmp_path / "s.zip", "truth_dest": None}
    build_toys(Toys(), tmp_path, **folders)
    before = content_of(tmp_path / "i")
    with pytest.raises(DataError, match=r"/i: exists already.*--force"):
        build_toys(Toys(), tmp_path, **folders)
    assert content_of(tmp_path / "i") == before
    assert not list(tmp_path.glob("*.parts"))
    build_toys(Toys(), tmp_path, **folders, count=3, force=True)
    assert len(content_of(tmp_path / "i")) == 4  # And dataset.json; the other seventeen are gone.
    assert len(content_of(tmp_path / "s.zip")) == 3


def test_force_never_removes_a_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"thesis\.txt.*choose another folder"):
        build_toys(Toys(), tmp_path, img_dest=tmp_path / "i", force=True)
    assert (tmp_path / "i" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_mistake_in_an_item_names_the_item(workers: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="item 11: the nose is missing"):
        build_toys(Toys(raises=((11, ValueError("the nose is missing")),)), tmp_path, workers=workers)


@pytest.mark.parametrize("workers", slow_but([2], [1, 2]))
def test_a_mistake_of_the_program_names_the_item_and_is_no_data_error(workers: int, tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, WorkError), match=r"(?s)item 11 could not be made"):
        build_toys(Toys(raises=((11, KeyError("nose")),)), tmp_path, workers=workers)


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"SIGKILL.*memory.*fewer workers"):
        build_toys(Toys(kills=5), tmp_path, workers=2)


def test_a_set_of_nothing_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to make"):
        build_toys(Toys(), tmp_path, count=0)
    with pytest.raises(DataError, match=r"none of 3 pictures could be used\. toy0: is broken; mend it"):
        build_toys(Toys(skipped=(0, 1, 2)), tmp_path, count=3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Made(np.zeros((8, 8, 3), np.uint8), None, LABEL), "has no mask"),
        (Made(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), LABEL[:24]), "25 finite numbers"),
        (Made(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), None), "give all of them one"),
        (Made(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), LABEL, "odd.png"), "odd.png: is 9 x 9"),
    ],
)
def test_items_that_cannot_be_one_set_are_refused(made: Made, message: str, tmp_path: Path) -> None:
    toys = Toys()
    with pytest.raises(DataError, match=message):
        build_toys(lambda i: made if i == 4 else toys(i), tmp_path, truth_dest=None)
    assert not (tmp_path / "img.zip").exists()


def test_destinations_are_apart(tmp_path: Path) -> None:
    for seg_dest in (tmp_path / "img.zip", tmp_path / "img.zip" / "masks"):
        with pytest.raises(DataError, match="separate places"):
            build_toys(Toys(), tmp_path, seg_dest=seg_dest)
    with pytest.raises(DataError, match=r"ends in \.zip"):
        build_toys(Toys(), tmp_path, img_dest=tmp_path / "img.tar")


def test_two_commands_do_not_work_at_one_destination(tmp_path: Path) -> None:
    process = start(tmp_path, 0.2)
    try:
        wait_for((tmp_path / "img.zip.parts" / "plan.json").exists)
        with pytest.raises(DataError, match="another process is making it"):
            build_toys(Toys(), tmp_path)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to offer")
def test_a_full_disk_is_told_and_what_is_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")

    with monkeypatch.context() as patched:
        patched.setattr(placing, "replace_store", full)
        with pytest.raises(DataError, match="No space left"):
            build_toys(Toys(), tmp_path)
    assert len(list((tmp_path / "img.zip.parts").glob("shard*"))) == 20
    assert build_toys(Toys(raises=((0, ValueError("made again")),)), tmp_path).num_made == 20


def wait_for(condition, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """Processes that were started by that one, on Linux."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
