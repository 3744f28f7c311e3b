# SPDX-License-Identifier: Apache-2.0
"""What happens to saves that are damaged, foreign, or find no room."""

import errno
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from configs import resolve
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.data.fingerprint import fingerprint
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.run_state import load_newest
from training.save_header import ResumeError, header_of
from training.trainer import SaveError, Trainer, new_state

CPU = torch.device("cpu")


def config_of(heads: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = heads
    fields = ("data.workers=0", "loop.batch=4", "loop.total_nimg=12", "loop.snapshot_nimg=4")
    return resolve("debug", [f"data.img_data={images}", f"data.seg_data={masks}", *fields, *assignments])


@pytest.fixture(scope="module")
def finished(heads: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    trainer = Trainer(config_of(heads), RunFolder(tmp_path_factory.mktemp("finished")), CPU)
    trainer.run()
    return trainer


@pytest.fixture
def folder(finished: Trainer, tmp_path: Path) -> RunFolder:
    """A copy of a run with saves at 4 (the first of its block), 8 and 12 images."""
    for file in finished.folder.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return RunFolder(tmp_path)


def going_on(trainer: Trainer, folder: RunFolder) -> int | None:
    header = load_newest(new_state(trainer.config, CPU), folder, fingerprint(trainer.dataset))
    return None if header is None else header.nimg


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def test_the_newest_save_that_is_whole_is_used_and_others_are_set_aside(finished: Trainer, folder: RunFolder) -> None:
    assert folder.saves() == [12, 8, 4]
    assert going_on(finished, folder) == 12
    damage(folder.networks(12))
    folder.state(8).write_bytes(folder.state(8).read_bytes()[:1000])
    assert going_on(finished, folder) == 4
    assert len(list(folder.path.glob("*.damaged"))) == 4


def test_networks_of_another_save_are_noticed(finished: Trainer, folder: RunFolder) -> None:
    folder.networks(12).write_bytes(folder.networks(8).read_bytes())
    assert going_on(finished, folder) == 8


def test_a_run_whose_saves_are_all_damaged_is_not_silently_begun_anew(finished: Trainer, folder: RunFolder) -> None:
    for nimg in folder.saves():
        damage(folder.state(nimg))
    before = sorted(folder.path.iterdir())
    for _ in range(2):  # The second try must not find an empty folder.
        with pytest.raises(ResumeError, match=r"none of its saves can be used(.|\n)*Nothing was changed"):
            going_on(finished, folder)
    assert sorted(folder.path.iterdir()) == before


def test_a_run_whose_states_are_gone_is_not_silently_begun_anew(finished: Trainer, folder: RunFolder) -> None:
    for nimg in (4, 8):
        folder.state(nimg).unlink()
    folder.remove(12)
    with pytest.raises(ResumeError, match=r"networks of 2 saves, up to 8 images"):
        going_on(finished, folder)
    folder.networks(8).unlink()  # What a first save leaves that is cut short.
    assert going_on(finished, folder) is None


def test_other_data_are_refused(finished: Trainer, folder: RunFolder) -> None:
    state = new_state(finished.config, CPU)
    with pytest.raises(ResumeError, match="has seen other data: 24 items, now 11"):
        load_newest(state, folder, {"items": 11, "digest": "x"})


def test_a_model_that_has_changed_is_refused_and_nothing_is_set_aside(
    heads: tuple[str, str], finished: Trainer, folder: RunFolder
) -> None:
    other = new_state(config_of(heads, "critic.channel_max=16"), CPU)
    with pytest.raises(ResumeError, match=r"another model(.|\n)*another version of the code"):
        load_newest(other, folder, fingerprint(finished.dataset))
    assert folder.saves() == [12, 8, 4]


def changed_header(finished: Trainer, **changes: Any) -> dict[str, Any]:
    header = checkpoint.read(finished.folder.state(12)).header
    for key, value in changes.items():
        header.pop(key) if value is None else header.update({key: value})
    return json.loads(json.dumps(header))


@pytest.mark.parametrize(
    "changes",
    [
        {"networks_digest": None},
        {"schema_version": True},
        {"schema_version": "1"},
        {"nimg": 12.5},
        {"stats": {}},
        {"augmentation": {"p": 2.0, "signs": [0, 0]}},
        {"progress": {"elapsed_s": "long", "began_from": None}},
        {"format": "fullhead networks"},
        {"surplus": 1},
    ],
)
def test_a_header_that_is_not_one_is_told_by_the_field(finished: Trainer, changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=f"state.safetensors: is no state of a run .{next(iter(changes))}"):
        header_of(changed_header(finished, **changes), Path("state.safetensors"))


def test_the_state_of_a_newer_version_is_not_taken_for_a_damaged_one(finished: Trainer) -> None:
    with pytest.raises(ResumeError, match="state of version 2"):
        header_of(changed_header(finished, schema_version=2), Path("state.safetensors"))


@pytest.mark.usefixtures("few_pictures")
@pytest.mark.parametrize("file", ["networks", "state"])
def test_without_room_a_run_goes_on_and_saves_later(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    write = checkpoint.atomic_write_bytes

    def full(path: Path, data: bytes) -> None:
        if path.name.startswith(file) and "08" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(checkpoint, "atomic_write_bytes", full)
    folder = RunFolder(tmp_path)
    assert Trainer(config_of(heads, "loop.keep_last=3"), folder, CPU).run() == 12
    assert folder.saves() == [12, 4]
    assert folder.networks_without_state() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this process may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.usefixtures("few_pictures")
def test_a_run_that_ends_on_a_full_disk_says_so_and_keeps_what_it_had(heads: tuple[str, str], small_disk: Path) -> None:
    folder = RunFolder(small_disk)
    Trainer(config_of(heads, "loop.total_nimg=8", "loop.keep_every_nimg=null"), folder, CPU).run()
    assert folder.saves() == [8, 4]  # Of 3 MB each.
    kept = folder.state(8).read_bytes()
    with pytest.raises(SaveError, match=r"at 16 images: .*disk is full.* make room"):
        Trainer(config_of(heads, "loop.total_nimg=16", "loop.keep_every_nimg=null"), folder, CPU).run()
    assert folder.saves() == [8, 4]
    assert folder.state(8).read_bytes() == kept
    assert folder.networks_without_state() == []
    assert not list(small_disk.glob(".*"))
    folder.remove(4)
    assert Trainer(config_of(heads, "loop.total_nimg=12", "loop.keep_every_nimg=null"), folder, CPU).run() == 12


def test_files_say_where_they_come_from(finished: Trainer) -> None:
    header = checkpoint.read_header(finished.folder.networks(12))["provenance"]
    assert header["nimg"] == 12
    assert header["code"]["licence"] == "Apache-2.0"
    assert header["code"]["version"]
    assert header["data"]["items"] == 24  # Mirrored.
    assert header["elapsed_s"] > 0
    assert header["began_from"] is None
