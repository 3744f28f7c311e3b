# SPDX-License-Identifier: Apache-2.0
"""What runs are made with here."""

import pytest

from tests.training.watch.runs import make_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Twelve procedural heads and their masks."""
    return make_data(tmp_path_factory.mktemp("heads"))
