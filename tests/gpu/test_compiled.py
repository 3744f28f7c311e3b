# SPDX-License-Identifier: Apache-2.0
"""Compiled networks, with the CUDA kernels in them: pictures and gradients are those of the plain ones."""

import pytest
import torch

from tests.training.small import codes, labels, small_generator
from training import numerics
from training.compiled import compile_networks
from training.generator import Generator, Randomness
from training.numerics_config import NumericsConfig


@pytest.mark.parametrize("tf32", [False, True])
def test_compiled_networks_give_the_same_pictures_and_gradients(tf32: bool) -> None:
    """The compiler asks for the settings of TF32, and stumbles over some ways to make them."""
    plain, compiled = (small_generator().cuda().train() for _ in range(2))
    compile_networks(compiled)
    z, c = codes(4).cuda(), labels(0.3, 1.2, -2.0, 3.0).cuda()

    def made(G: Generator, purpose: str) -> torch.Tensor:
        randomness = Randomness(1, purpose, torch.arange(4, device="cuda"))
        return G.synthesis(G.mapping(z, c), c, 8, randomness=randomness)["image"]

    close = {"rtol": 3e-2, "atol": 1e-2} if tf32 else {"rtol": 1e-3, "atol": 1e-4}
    with numerics.applied(NumericsConfig(tf32=tf32)):
        for _ in range(2):
            images = [made(G, "G") for G in (plain, compiled)]
            torch.testing.assert_close(images[1], images[0], **close)
            gradients = [
                torch.autograd.grad(image.square().sum(), list(G.parameters()), allow_unused=True)
                for G, image in zip((plain, compiled), images, strict=True)
            ]
            for expected, found in zip(*gradients, strict=True):
                assert (expected is None) == (found is None)
                if expected is not None:
                    error = (found - expected).norm() / (expected.norm() + 1e-6)
                    assert error < (0.1 if tf32 else 1e-3)
        with torch.no_grad():
            torch.testing.assert_close(made(compiled, "D"), made(plain, "D"), **close)
    torch.compiler.reset()
