# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import torch

from configs import resolve
from training.builder import build_generator
from training.data.config import DataConfig
from training.data.dataset import ImageDataset, open_dataset
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.generator import Generator


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Archives of the images and masks of 24 heads, 32 x 32."""
    folder: Path = tmp_path_factory.mktemp("heads")
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    make = MakeHead(SyntheticSettings(resolution=32))
    build(make, 24, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return images, masks


@pytest.fixture(scope="session")
def dataset(heads: tuple[str, str]) -> ImageDataset:
    return open_dataset(DataConfig(img_data=heads[0], seg_data=heads[1], mirror=True), seed=0)


@pytest.fixture(scope="session")
def generator() -> Generator:
    torch.manual_seed(0)
    return build_generator(resolve("panohead_debug").generator).eval()
