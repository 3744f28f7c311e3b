# SPDX-License-Identifier: Apache-2.0
"""Devices by name."""

import pytest
import torch

from torch_utils.devices import find_device


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_there, wanted in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_there=is_there: is_there)
        assert find_device("auto").type == wanted
        assert find_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no GPU"):
        find_device("cuda")
    with pytest.raises(ValueError, match="auto, cpu or cuda"):
        find_device("cuda:7")
