# SPDX-License-Identifier: Apache-2.0
"""How unlike pictures are, whole and inside a mask; features from a file."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.inversion.likeness import Likeness, edges, psnr_db, squared_error
from training.inversion.perceptual import load_perceptual

CPU = torch.device("cpu")


def half_mask() -> Tensor:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1
    return mask


def test_a_mask_leaves_out_what_is_outside() -> None:
    picture, other = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    target = torch.where(half_mask() > 0, picture, other)
    assert edges()(picture, target, half_mask()).item() == 0
    assert edges()(picture, target).item() > 0
    inside = (picture - other)[..., :8].square().mean()
    assert torch.allclose(squared_error(picture, other, half_mask()), inside)


def test_there_is_no_gradient_outside_of_the_mask() -> None:
    picture = torch.rand(1, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(edges()(picture, torch.rand(1, 3, 16, 16), half_mask()).sum(), picture)
    assert gradient[..., 8:].abs().max() == 0
    assert gradient[..., :8].abs().max() > 0


def test_a_ratio_of_one_tenth_of_the_range_is_twenty_decibels() -> None:
    assert psnr_db(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.2)).item() == pytest.approx(20)


class Features(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean((2, 3))


class PublishedFeatures(nn.Module):
    def forward(self, pictures: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        assert not resize_images
        assert return_lpips
        return pictures.mean((2, 3))


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
@pytest.mark.parametrize("module", [Features(), PublishedFeatures()])
def test_features_from_a_file_are_of_pictures_in_8_bits(module: nn.Module, tmp_path: Path) -> None:
    torch.jit.script(module).save(str(tmp_path / "features.pt"))
    likeness = load_perceptual(tmp_path / "features.pt", CPU)
    assert likeness.name == "features.pt"
    black, white = -torch.ones(2, 3, 300, 300), torch.ones(2, 3, 300, 300)
    distance = likeness.perceptual(white, black)
    assert torch.allclose(distance, torch.full((2,), 3 * 255.0**2), rtol=1e-4)
    assert torch.allclose(likeness(white, black), distance + 0.1 * 4)


@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_files_that_give_no_features_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave out --perceptual"):
        load_perceptual(tmp_path / "absent.pt", CPU)
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(ValueError, match="is no TorchScript module"):
        load_perceptual(tmp_path / "text.pt", CPU)
    torch.jit.script(nn.Linear(3, 4)).save(str(tmp_path / "linear.pt"))
    with pytest.raises(ValueError, match="takes no pictures"):
        load_perceptual(tmp_path / "linear.pt", CPU)
    torch.jit.script(nn.Flatten(0)).save(str(tmp_path / "flat.pt"))
    with pytest.raises(ValueError, match="no row of features"):
        load_perceptual(tmp_path / "flat.pt", CPU)


def test_any_function_of_two_pictures_may_be_the_perceptual_part() -> None:
    likeness = Likeness("constant", 0.0, lambda pictures, targets: torch.ones(len(pictures)))
    assert torch.equal(likeness(torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)), torch.ones(2))
