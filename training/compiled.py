# SPDX-License-Identifier: Apache-2.0
"""Networks of a generator as compiled code, by torch.compile: those that consist of convolutions.

Rendering has operators of its own, and critics are differentiated twice (R1), which compiled code cannot be. Numbers
are those of the plain way but for rounding. Compiling happens at the first call, and again for the first new size of a
batch or of a band of a picture, so it is for training, where sizes stay.

CUDA graphs by mode="reduce-overhead" are not offered: gradients that parts of a batch add up would lie in memory that
the next replay writes to.
"""

from torch import nn

from training.networks.superresolution import SuperResolution
from training.networks.synthesis import Block, SynthesisNetwork


def compile_networks(generator: nn.Module) -> None:
    """In place. Names, weights and what is saved stay the same; a copy of the generator is not compiled."""
    for network in networks_to_compile(generator):
        network.compile()


def networks_to_compile(generator: nn.Module) -> list[SynthesisNetwork | Block]:
    """Of super-resolution the blocks: before them, pictures are resized whose size changes while a run goes on."""
    found: list[SynthesisNetwork | Block] = []
    for module in generator.modules():
        if isinstance(module, SynthesisNetwork):
            found.append(module)
        elif isinstance(module, SuperResolution):
            found += [module.block0, module.block1]
    return found
