# SPDX-License-Identifier: Apache-2.0
"""The eye of an inversion, by name."""

from pathlib import Path

import pytest
import torch

from metrics.likeness import EDGES, HEADNET, find_likeness

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", [HEADNET, EDGES])
def test_equal_pictures_are_alike_and_a_gradient_leads_to_them(name: str) -> None:
    likeness = find_likeness(name, CPU)
    target = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert likeness(target, target).abs().max() < 1e-6
    picture = torch.zeros_like(target, requires_grad=True)
    before = likeness(picture, target)
    (slope,) = torch.autograd.grad(before.sum(), picture)
    assert (likeness(picture - 0.05 * slope / slope.abs().amax(), target) < before).all()


def test_other_names_are_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent.pt: is no file.*leave out --perceptual"):
        find_likeness(str(tmp_path / "absent.pt"), CPU)
