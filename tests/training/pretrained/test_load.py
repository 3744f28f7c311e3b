# SPDX-License-Identifier: Apache-2.0
"""The precision of a loaded generator."""

import pytest
import torch

from tests.training.small import codes, labels, small_generator
from training.pretrained.load import FP16_CLAMP, in_precision


@torch.no_grad()
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_another_precision_shows_nearly_the_same_picture(precision: str) -> None:
    G, z, c = small_generator(), codes(2), labels(0.3, 2.0)
    other = in_precision(G, precision)
    assert other.config.precision == precision
    assert not other.training
    difference = (other(z, c)["image"] - G(z, c)["image"]).abs().max()
    assert 0 < difference < 0.1


@torch.no_grad()
def test_the_way_back_is_the_same_generator() -> None:
    G, z, c = small_generator(), codes(2), labels(0.3, 2.0)
    assert torch.equal(in_precision(in_precision(G, "bf16"), "fp32")(z, c)["image"], G(z, c)["image"])


def test_it_stays_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    G = small_generator().to("meta")
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)  # There is nothing to be read.
    assert {tensor.device.type for tensor in in_precision(G, "bf16").state_dict().values()} == {"meta"}


def test_half_precision_is_kept_from_overflow() -> None:
    other = in_precision(small_generator(), "fp16")
    assert other.config.clamp == FP16_CLAMP
    assert other.config.superresolution.clamp == FP16_CLAMP
