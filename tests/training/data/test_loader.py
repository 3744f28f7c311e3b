# SPDX-License-Identifier: Apache-2.0
"""Batches are a function of seed and image count, whoever reads them and whatever happens."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from tests.training.data.sets import labels_at, make_set, names_of
from torch_utils.sampler import InfiniteSampler
from training.data import loader as loader_module
from training.data.config import DataConfig, SelectionConfig
from training.data.dataset import ImageDataset, open_dataset
from training.data.loader import Loader, LoaderError
from training.data.problems import DataError

ROOT = Path(__file__).resolve().parents[3]


def opened(paths, **options):
    return open_dataset(DataConfig(img_data=str(paths[0]), seg_data=str(paths[1]), **options), seed=0)


@pytest.fixture
def dataset(tmp_path):
    return opened(make_set(tmp_path, 10, labels=labels_at(np.linspace(-170, 170, 10))), mirror=True)


def indices(dataset, count, **options):
    with Loader(dataset, **{"batch": 4, "seed": 1, "workers": 0} | options) as loader:
        return torch.cat([batch.index for batch in itertools.islice(loader, count)]).tolist()


def test_a_batch_is_its_items_stacked(dataset):
    with Loader(dataset, batch=4, seed=0, workers=0) as loader:
        batch = next(loader)
    items = [dataset[i] for i in batch.index.tolist()]
    assert torch.equal(batch.image, torch.stack([item.image for item in items]))
    assert torch.equal(batch.mask, torch.stack([item.mask for item in items]))
    assert torch.equal(batch.conditions["camera"], torch.stack([item.label for item in items]))
    assert batch.image.dtype == torch.uint8


def test_the_order_is_that_of_the_sampler(dataset):
    sampler = InfiniteSampler(20, seed=1, batch=4, start_nimg=8, weights=torch.from_numpy(dataset.weights))
    assert indices(dataset, 6, start_nimg=8) == list(itertools.islice(sampler, 24))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(dataset, workers):
    assert indices(dataset, 12, workers=workers, prefetch=2) == indices(dataset, 12)


def test_a_restart_goes_on_where_the_run_stopped(dataset):
    assert indices(dataset, 4, start_nimg=4 * 5, workers=2) == indices(dataset, 9)[20:]


def test_ranks_share_the_batch_of_one(dataset):
    parts = [indices(dataset, 5, rank=rank, world_size=2) for rank in range(2)]
    shared = [parts[rank][2 * step : 2 * step + 2] for step in range(5) for rank in range(2)]
    assert list(itertools.chain(*shared)) == indices(dataset, 5)


def test_back_views_come_as_often_as_they_weigh(tmp_path):
    paths = make_set(tmp_path, 10, labels=labels_at([0.0] * 8 + [180.0] * 2))
    drawn = np.array(indices(opened(paths, selection=SelectionConfig(back_repeat=4.0)), 250))
    assert np.mean(drawn >= 8) == pytest.approx(0.5, abs=0.02)


def test_loading_leaves_the_random_numbers_of_the_process_alone(dataset):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    indices(dataset, 3, workers=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_set_without_masks_and_labels_gives_batches_without(tmp_path):
    img, _ = make_set(tmp_path, 4)
    dataset = open_dataset(DataConfig(img_data=str(img), use_labels=False, require_masks=False), seed=0)
    with Loader(dataset, batch=4, seed=0, workers=1) as loader:
        batch = next(loader)
    assert batch.mask is None
    assert dict(batch.conditions) == {}


# Damaged items.


@pytest.fixture
def damaged(tmp_path):
    """Ten items, of which 2 has a mask of another size and 5 is no picture."""
    names = names_of(10)
    changes = {"img:" + names[5]: b"junk", "seg:" + names[2]: b"\x89PNG\r\n\x1a\n"}
    return make_set(tmp_path, 10, labels=labels_at(np.linspace(-100, 100, 10)), files=changes)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_item_ends_the_run_with_its_name(damaged, workers):
    with pytest.raises(DataError, match=r"(img00000005\.png: is not a|seg.*img00000002\.png: is).*data\.damaged=skip"):
        indices(opened(damaged), 5, workers=workers)


def test_a_skipped_item_is_replaced_the_same_way_each_time_and_told_once(damaged, monkeypatch):
    told = []
    monkeypatch.setattr(loader_module.log, "warning", lambda text, *values: told.append(text % values))
    plain = indices(opened(make_set(damaged[0].parent / "whole", 10)), 15)
    results = []
    for workers, start in ((0, 0), (2, 0), (1, 20)):
        told.clear()
        with Loader(
            opened(damaged, damaged="skip"), batch=4, seed=1, workers=workers, start_nimg=start, damaged="skip"
        ) as loader:
            drawn = torch.cat([next(loader).index for _ in range(15 - start // 4)]).tolist()
        results.append([None] * start + drawn)
        assert set(loader.skipped) == {names_of(10)[2], names_of(10)[5]}
        assert loader.skipped[names_of(10)[5]] >= 2
        assert len(told) == 2
        assert any("skipped" in text and "img00000005.png: is not a PNG" in text for text in told)
    assert results[0] == results[1]
    assert results[0][20:] == results[2][20:]
    assert not {2, 5} & set(results[0])
    assert all(a == b for a, b in zip(results[0], plain, strict=True) if b not in (2, 5))


def test_replacements_keep_to_the_selection(tmp_path):
    labels = labels_at([0.0] * 5 + [180.0] * 5)
    paths = make_set(tmp_path, 10, labels=labels, files={"img:" + names_of(10)[1]: b"junk"})
    dataset = opened(paths, damaged="skip", selection=SelectionConfig(max_yaw_deg=90.0))
    assert set(indices(dataset, 30, damaged="skip")) == {0, 2, 3, 4}


def test_nothing_but_damaged_items_is_an_error_even_when_skipping(tmp_path):
    paths = make_set(tmp_path, 4)
    dataset = opened(paths, damaged="skip")
    paths[0].write_bytes(b"\0" * paths[0].stat().st_size)
    with pytest.raises(DataError, match=r"16 items in a row are damaged, the last one: .*img\.zip: member"):
        indices(dataset, 2, damaged="skip")


# Processes.


def workers_of(loader):
    return [worker.pid for worker in loader._batches._workers]


def is_alive(pid):
    try:
        os.kill(pid, 0)
        if not Path("/proc").exists():
            return True
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_closing_ends_the_workers(dataset):
    loader = Loader(dataset, batch=4, seed=0, workers=2)
    next(loader)
    pids = workers_of(loader)
    assert all(is_alive(pid) for pid in pids)
    loader.close()
    loader.close()
    assert not any(is_alive(pid) for pid in pids)
    with pytest.raises(LoaderError, match="closed"):
        next(loader)


def test_an_error_while_training_ends_the_workers_too(dataset):
    with pytest.raises(ZeroDivisionError), Loader(dataset, batch=4, seed=0, workers=1) as loader:  # noqa: PT012
        next(loader)
        pids = workers_of(loader)
        raise ZeroDivisionError
    assert not any(is_alive(pid) for pid in pids)


def test_a_worker_that_is_killed_is_an_error_where_a_batch_is_asked_for(dataset, monkeypatch):
    # PyTorch looks after its workers every five seconds, and a test need not wait so long.
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.2,))
    loader = Loader(dataset, batch=4, seed=0, workers=2, prefetch=1)
    next(loader)
    os.kill(workers_of(loader)[0], signal.SIGKILL)
    time.sleep(0.3)  # Work of the caller, which no signal disturbs.
    start_s = time.monotonic()
    with pytest.raises(LoaderError, match=r"came to its end .*lower data\.workers \(2\)"):  # noqa: PT012
        for _ in range(50):
            next(loader)
    assert time.monotonic() - start_s < 30


@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError])
def test_a_worker_that_dies_while_a_batch_is_fetched_from_it_is_the_same_error(dataset, monkeypatch, error):
    loader = Loader(dataset, batch=4, seed=0, workers=1)
    next(loader)

    def get_data(self):
        raise error

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "_get_data", get_data)
    with pytest.raises(LoaderError, match="came to its end"):
        next(loader)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_workers_leave_an_interrupt_to_their_parent(dataset):
    with Loader(dataset, batch=4, seed=0, workers=2, prefetch=1) as loader:
        next(loader), next(loader)  # One of each worker: both are at work.
        for pid in workers_of(loader):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
        for _ in range(6):
            next(loader)


@pytest.mark.skipif(os.name == "nt", reason="sends signals to a group of processes")
def test_an_interrupt_is_quiet_and_leaves_no_process(tmp_path):
    paths = make_set(tmp_path, 10)
    # As the trainer, the program only notes the interrupt: where Python runs a destructor at that moment (PyTorch's
    # fetching of a batch has several), a KeyboardInterrupt is dropped.
    program = f"""
        import sys, time
        from dnnlib.stop import stop_requests
        from training.data.config import DataConfig
        from training.data.dataset import open_dataset
        from training.data.loader import Loader

        dataset = open_dataset(DataConfig(img_data={str(paths[0])!r}, seg_data={str(paths[1])!r}), seed=0)
        with Loader(dataset, batch=4, seed=0, workers=2) as loader:
            next(loader), next(loader)  # One of each worker: both are at work.
            with stop_requests() as stop:
                print(*[worker.pid for worker in loader._batches._workers], flush=True)
                while not stop.is_set():
                    next(loader)
                    time.sleep(0.01)
        sys.exit(7)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 7
    assert errors == ""
    assert not any(is_alive(pid) for pid in pids)


def test_the_share_of_waiting_is_told_since_the_last_time(dataset):
    with Loader(dataset, batch=4, seed=0, workers=0) as loader:
        next(loader)
        assert 0 < loader.wait_share() <= 1
        next(loader)
        time.sleep(0.3)
        assert loader.wait_share() < 0.5
        assert loader.wait_share() == 0


def test_loading_hides_behind_training(dataset, monkeypatch):
    def read_slowly(self, item):
        time.sleep(0.05)
        return read(self, item)

    read = ImageDataset.__getitem__
    monkeypatch.setattr(ImageDataset, "__getitem__", read_slowly)
    with Loader(dataset, batch=4, seed=0, workers=1, prefetch=2) as loader:
        next(loader)
        loader.wait_share()
        for _ in range(3):
            time.sleep(0.5)  # A step of training, in which the worker reads for 0.2 s.
            next(loader)
        assert loader.wait_share() < 0.2
