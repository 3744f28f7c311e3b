# SPDX-License-Identifier: Apache-2.0
import pytest
from torch import nn

from training.adam_config import AdamConfig
from training.optimizer import adam


@pytest.mark.parametrize(("interval", "ratio"), [(None, 1), (16, 16 / 17), (4, 4 / 5), (1, 1 / 2)])
def test_a_lazy_term_adds_steps_and_all_steps_together_do_the_same(interval: int | None, ratio: float) -> None:
    """Also one that is added in every step: each update of a player is then two."""
    group = adam(AdamConfig(lr=0.002, beta1=0.5, beta2=0.99), nn.Linear(2, 2), interval).param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * ratio)
    assert group["betas"] == pytest.approx((0.5**ratio, 0.99**ratio))
