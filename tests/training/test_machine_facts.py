# SPDX-License-Identifier: Apache-2.0
"""What is told of a machine."""

from pathlib import Path

import pytest
import torch

from training import machine_facts
from training.machine_facts import machine_facts as facts_of


def test_a_folder_that_does_not_exist_yet_is_judged_by_the_one_it_will_be_in(tmp_path: Path) -> None:
    found = facts_of(torch.device("cpu"), 1, tmp_path / "a" / "b")
    assert found.is_writable
    assert found.free_disk_bytes > 0
    (tmp_path / "file").write_text("")
    assert not facts_of(torch.device("cpu"), 1, tmp_path / "file" / "run").is_writable


def test_processes_of_one_machine_share_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_facts, "_available_ram_bytes", lambda: 1000)
    assert facts_of(torch.device("cpu"), 4, tmp_path).available_bytes == 250
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert facts_of(torch.device("cpu"), 4, tmp_path).available_bytes == 500


def test_a_container_may_be_allowed_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("4096\n")
    monkeypatch.setattr(machine_facts, "_CGROUP_FILES", (str(limit), "/none"))
    assert machine_facts._available_ram_bytes() in (4096, None)
    limit.write_text("max\n")
    assert machine_facts._available_ram_bytes() is None or machine_facts._available_ram_bytes() > 4096
