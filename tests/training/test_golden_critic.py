# SPDX-License-Identifier: Apache-2.0
"""Critics, and one step of the generator through a critic, against numbers of the published implementations."""

import pytest
import torch

from tests.marks import slow_but
from tests.training.golden import C0, C1, INIT, RENDERING, normals, uniforms, with_golden_weights
from training.builder import build_critic, build_generator
from training.pretrained.official_config import PANOHEAD, critic_config, generator_config

LABELS = torch.cat([C0, C1])
GOLDEN = {
    "MaskDualDiscriminatorV2": (
        31_359_808,
        [-0.230592, -0.180311],
        {"image": [4.9608e-6, 5.1146e-6], "image_raw": [2.1914e-4, 2.4694e-4], "image_mask": [7.8592e-5, 9.0671e-5]},
    ),
    "MaskDualDiscriminator": (
        53_188_608,
        [-0.360774, -0.417864],
        {"image": [7.4799e-6, 7.8089e-6], "image_raw": [2.0134e-4, 2.1538e-4], "image_mask": [2.1334e-3, 2.6343e-3]},
    ),
    "DualDiscriminator": (
        31_359_744,
        [-0.202635, -0.176613],
        {"image": [6.0358e-6, 6.7620e-6], "image_raw": [1.5268e-4, 1.6817e-4]},
    ),
}


def close(values: list[float], golden: list[float], rtol: float) -> bool:
    return torch.allclose(torch.tensor(values), torch.tensor(golden), rtol=rtol, atol=0)


@pytest.mark.parametrize("name", slow_but(["MaskDualDiscriminatorV2"], GOLDEN))  # PanoHead's own.
def test_scores_and_gradients_of_the_pictures(name: str) -> None:
    num_parameters, logits, gradients = GOLDEN[name]
    D = with_golden_weights(build_critic(critic_config(name, {}), resolution=512))
    assert sum(p.numel() for p in D.parameters()) == num_parameters
    shown = {
        "image": uniforms(5, -1, 1, 2, 3, 512, 512),
        "image_raw": uniforms(6, -1, 1, 2, 3, 64, 64),
        "image_mask": uniforms(7, 0, 1, 2, 1, 64, 64),
    }
    shown = {key: picture.requires_grad_() for key, picture in shown.items()}
    score = D(shown, LABELS)
    assert close(score.flatten().tolist(), logits, 1e-4)
    found = torch.autograd.grad(score.sum(), [shown[key] for key in gradients])
    for (key, golden), gradient in zip(gradients.items(), found, strict=True):
        assert close(gradient.square().sum(dim=(1, 2, 3)).tolist(), golden, 1e-3), key


@pytest.mark.slow
def test_a_step_of_the_generator() -> None:
    G = with_golden_weights(build_generator(generator_config(INIT, RENDERING, PANOHEAD, 64)))
    D = with_golden_weights(build_critic(critic_config("MaskDualDiscriminatorV2", {}), resolution=512))
    z = normals(4, 2, 512)
    ws = G.mapping(z, LABELS)
    moved, shift_world = G.adaptation(z, LABELS)
    assert torch.allclose(
        shift_world, torch.tensor([[-0.014790, 0.396719, 0.230819], [0.441109, 0.176823, -0.414238]]), atol=1e-5
    )
    score = D(G.synthesis(ws, moved), LABELS)
    assert close(score.flatten().tolist(), [0.398021, -0.132848], 1e-3)
    shift_term = 10 * shift_world.mean(dim=0).square().sum()
    assert close([shift_term.item()], [1.360854], 1e-4)
    loss = torch.nn.functional.softplus(-score).mean() + shift_term
    assert close([loss.item()], [1.998647], 1e-4)
    loss.backward()
    synthesis, sr = G.field.synthesis, G.post.superresolution
    golden = {
        G.mapping_network.layers[0].weight: 9.2025e-3,
        G.mapping_network.embed.weight: 6.3271e-1,
        synthesis.blocks[0].const: 4.7604e-2,
        synthesis.blocks[-1].to_image.weight: 5.5862e-2,
        synthesis.blocks[-1].conv1.noise_strength: 2.1879e-4,
        G.field.decoder.hidden.weight: 8.7252e-2,
        G.field.decoder.out.bias: 1.0351e-1,
        G.post.to_raw.weight: 2.7201e-1,
        G.post.background.blocks[-1].conv1.weight: 2.0038e-1,
        sr.block0.conv0.weight: 2.9783e-1,
        sr.block1.to_image.bias: 1.4408e-1,
        G.adaptation.mapping.layers[0].weight: 5.9877,
        G.adaptation.mapping.layers[1].weight: 4.0685,
    }
    assert close([parameter.grad.norm().item() for parameter in golden], list(golden.values()), 1e-3)
    without = {name for name, parameter in G.named_parameters() if parameter.grad is None}
    assert without == {f"post.superresolution.block{i}.conv{j}.noise_strength" for i in (0, 1) for j in (0, 1)}
