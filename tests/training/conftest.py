# SPDX-License-Identifier: Apache-2.0
"""What many tests train on, made once, and how they are spared what they do not look at."""

from functools import partial

import pytest

from tests.training.runs import make_heads
from training.watch.views import render_views


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Archives of twelve procedural heads and of their masks. Not to be changed."""
    return make_heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings show one head instead of many."""
    monkeypatch.setattr("training.watch.watch.render_views", partial(render_views, num_latents=1))
