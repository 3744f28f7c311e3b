# SPDX-License-Identifier: Apache-2.0
"""Networks of a file, built only if the file holds what it declares.

A configuration of a few bytes can ask for any amount of memory. So the network is first built without data, which takes
none, and its tensors are compared with those that were read.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from torch_utils.checkpoint import CheckpointError, check_weights


def construct(
    build: Callable[[], nn.Module], weights: Callable[[nn.Module], Mapping[str, Tensor]], source: str
) -> nn.Module:
    """The network in eval mode. `weights` gives its tensors, by its own names; `source` names it in errors."""
    try:
        with torch.device("meta"):
            outline = build()
    except (ValueError, TypeError, RuntimeError) as error:  # PyTorch has no shapes of more than 63 bits.
        raise CheckpointError(f"{source}: cannot be built: {str(error).removeprefix(f'{source}: ')}") from None
    tensors = dict(weights(outline))
    check_weights(outline, tensors, source)
    with torch.random.fork_rng(devices=[]):  # The first weights are drawn, and replaced at once.
        network = build()
    network.load_state_dict(tensors)
    return network.eval()
