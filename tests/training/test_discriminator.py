# SPDX-License-Identifier: Apache-2.0
"""What a critic is shown, in which order, and what its callers get wrong."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.small import labels, small_critic
from training.builder import build_critic
from training.discriminator import Discriminator
from training.model_config import CriticConfig
from training.networks.superresolution import resize

LABELS = labels(0.0, 2.0)


def pictures() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "image": torch.randn(2, 3, 32, 32),
        "image_raw": torch.randn(2, 3, 8, 8),
        "image_mask": torch.rand(2, 1, 8, 8),
        "image_depth": torch.rand(2, 1, 8, 8),
    }


def critic(**changes: Any) -> Discriminator:
    return small_critic(CriticConfig(**({"channel_base": 128, "channel_max": 16, "group_size": 2} | changes)))


def reads(D: Discriminator) -> Tensor:
    """What the tower is given."""
    seen: list[Tensor] = []
    D.tower.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    D(pictures(), LABELS)
    return seen[0]


@pytest.mark.parametrize(
    "inputs", [("image",), ("image", "raw"), ("image", "raw", "mask"), ("mask", "image"), ("raw", "mask"), ("mask",)]
)
def test_it_reads_what_it_is_made_for_in_that_order(inputs: tuple[str, ...]) -> None:
    shown = pictures()
    parts = {
        "image": shown["image"],
        "raw": resize(shown["image_raw"], 32),
        "mask": resize(shown["image_mask"], 32) * 2 - 1,
    }
    assert torch.allclose(reads(critic(inputs=inputs)), torch.cat([parts[name] for name in inputs], dim=1), atol=1e-6)


def test_a_mask_may_have_a_tower_of_its_own() -> None:
    D = critic(mask_tower=True, mask_tower_resolution=16)
    shown = pictures()
    assert reads(D).shape == (2, 6, 32, 32)
    both = D.tower(reads(D)) + D.mask_tower(resize(shown["image_mask"], 16) * 2 - 1)
    assert torch.allclose(D(shown, LABELS), D.head(both, LABELS), atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{}, {"mask_tower": True, "mask_tower_resolution": 16}, {"inputs": ("image", "raw")}]
)
def test_every_picture_that_is_shown_moves_the_score(changes: dict[str, Any]) -> None:
    D = critic(**changes)
    shown = {key: value.requires_grad_() for key, value in pictures().items()}
    gradients = torch.autograd.grad(D(shown, LABELS).sum(), list(shown.values()), allow_unused=True)
    moved = {key for key, gradient in zip(shown, gradients, strict=True) if gradient is not None and gradient.any()}
    assert moved == {"image", "image_raw"} | ({"image_mask"} if "inputs" not in changes else set())


def test_the_score_depends_on_the_conditions_unless_there_are_none() -> None:
    D = critic()
    assert (D(pictures(), LABELS) - D(pictures(), LABELS.flip(0))).abs().min() > 0
    unconditional = build_critic(CriticConfig(channel_base=128, channel_max=16), resolution=32, c_dim=0)
    assert unconditional(pictures(), None).shape == (2, 1)


def test_labels_may_come_in_float64() -> None:
    D = critic()
    assert torch.equal(D(pictures(), LABELS.double()), D(pictures(), LABELS))


@pytest.mark.parametrize(
    ("change", "c", "message"),
    [
        ({"image": torch.zeros(2, 3, 16, 16)}, LABELS, r"image must be \[any, 3, 32, 32\].*not \[2, 3, 16, 16\]"),
        ({"image": torch.zeros(2, 1, 32, 32)}, LABELS, r"image must be \[any, 3, 32, 32\]"),
        ({"image": torch.zeros(3, 32, 32)}, LABELS, r"not \[3, 32, 32\]"),
        ({"image_mask": torch.zeros(2, 3, 8, 8)}, LABELS, r"image_mask must be \[2, 1, any, any\]"),
        ({"image_raw": torch.zeros(1, 3, 8, 8)}, LABELS, r"image_raw must be \[2, 3, any, any\].*not \[1"),
        ({"image": torch.zeros(2, 3, 32, 32, dtype=torch.uint8)}, LABELS, "image must be floating point"),
        ({}, None, "c must be a tensor .*not a NoneType"),
        ({"image": torch.zeros(2, 3, 32, 32, device="meta")}, LABELS, "image is on meta"),
        ({"image_mask": torch.full((2, 1, 8, 8), torch.nan)}, LABELS, "image_mask has numbers that are not finite"),
        ({key: torch.zeros(0, *x.shape[1:]) for key, x in pictures().items()}, LABELS, "image has no rows"),
        ({key: x[:1].repeat(3, 1, 1, 1) for key, x in pictures().items()}, LABELS, "3 pictures cannot be cut"),
        ({}, LABELS.to("meta"), "c is on meta"),
        ({}, LABELS.long(), "c must be floating point"),
        ({}, LABELS * torch.inf, "c has numbers that are not finite"),
        ({}, LABELS[:1], r"c must be \[2, 25\].*not \[1, 25\]"),
        ({}, LABELS[:, :24], r"c must be \[2, 25\].*not \[2, 24\]"),
    ],
)
def test_bad_input_is_told_in_a_sentence(change: dict[str, Tensor], c: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        critic()(pictures() | change, c)


def test_what_is_missing_is_named() -> None:
    shown = pictures()
    del shown["image_raw"]
    with pytest.raises(ValueError, match="reads image_raw, which the pictures lack: image, image_mask"):
        critic()(shown, LABELS)
