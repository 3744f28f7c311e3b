# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from configs import resolve
from dnnlib.config import ConfigError
from training.start import device_of


def test_more_processes_than_gpus_are_refused_before_they_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    auto = resolve("debug", ["device=auto"])
    assert device_of(auto, 2) == torch.device("cuda")
    with pytest.raises(ConfigError, match="--gpus=3: this machine has 2: use --gpus=2"):
        device_of(auto, 3)
    assert device_of(resolve("debug", ["device=cpu"]), 3) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(auto, 3) == torch.device("cpu")
    with pytest.raises(ConfigError, match="finds no GPU"):
        device_of(resolve("debug", ["device=cuda"]))
