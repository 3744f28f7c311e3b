# SPDX-License-Identifier: Apache-2.0
"""Fresh procedural heads, of a seed that HeadNet was not trained on, rendered once for all tests of it."""

import pytest
import torch

from metrics.headnet import load_headnet
from metrics.headnet.headset import heads_of
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings

SETTINGS = SyntheticSettings(seed=20261, views_per_identity=6, elevation_std_deg=15.0, depth=False)


@pytest.fixture(scope="session")
def heads():
    """12 identities from 6 sides each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    make = MakeHead(SETTINGS)
    made = heads_of([make(index) for index in range(72)])
    torch.set_num_threads(before)
    return made


@pytest.fixture(scope="session")
def net():
    return load_headnet()
