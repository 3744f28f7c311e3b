# SPDX-License-Identifier: Apache-2.0
"""Batches for a GPU come in pinned memory and arrive there as they were read."""

import torch

from tests.training.data.sets import make_set
from training.data.config import DataConfig
from training.data.dataset import open_dataset
from training.data.loader import Loader


def test_batches_are_pinned_and_arrive_whole(tmp_path):
    img, seg = make_set(tmp_path, 6)
    dataset = open_dataset(DataConfig(img_data=str(img), seg_data=str(seg)), seed=0)
    with (
        Loader(dataset, batch=4, seed=0, workers=1, device="cuda") as loader,
        Loader(dataset, batch=4, seed=0, workers=0) as plain,
    ):
        for _ in range(3):
            batch, expected = next(loader), next(plain)
            assert batch.image.is_pinned()
            assert batch.mask.is_pinned()
            moved = batch.to("cuda", non_blocking=True)
            assert torch.equal(moved.image.cpu(), expected.image)
            assert torch.equal(moved.mask.cpu(), expected.mask)
            assert torch.equal(moved.conditions["camera"].cpu(), expected.conditions["camera"])
            assert torch.equal(moved.index.cpu(), expected.index)
