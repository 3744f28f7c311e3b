# SPDX-License-Identifier: Apache-2.0
"""From the host to the device, without waiting for the device."""

import torch
from torch import Tensor


def to_device(x: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host where the computation is. The computation that is under way goes on meanwhile."""
    if device.type == "cuda":
        # From other memory, a copy would wait for all that the device still has to do.
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)
