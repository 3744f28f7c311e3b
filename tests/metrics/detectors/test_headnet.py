# SPDX-License-Identifier: Apache-2.0
"""HeadNet as a detector, whatever its weights."""

import math

import pytest
import torch

from metrics.detectors.headnet import HeadNetFaces, HeadNetFeatures, HeadNetHair, HeadNetHeads
from metrics.detectors.shop import DetectorShop
from metrics.headnet import HeadNet
from metrics.headnet.attributes import KINDS

PICTURES = torch.randint(0, 256, (4, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def net() -> HeadNet:
    torch.manual_seed(0)
    return HeadNet("digest").eval().requires_grad_(False)


def test_what_is_not_rounded_has_nearly_the_same_features(net: HeadNet) -> None:
    detector = HeadNetFeatures(net)
    assert detector.features(PICTURES).shape == (4, 376)
    near = detector.features_of_floats(PICTURES.float())
    assert (near - detector.features(PICTURES)).abs().max() < 0.1 * near.abs().max()
    assert "bicubic" in detector.facts["resize"]


def test_only_heads_that_look_this_way_are_faces(net: HeadNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "yaw_rad", lambda images: torch.deg2rad(torch.tensor([0.0, 60.0, 120.0, -170.0])))
    share = torch.tensor([0.3, 0.3, 0.3, 0.3]).view(4, 1, 1, 1).expand(-1, 1, 96, 96)
    monkeypatch.setattr(net, "mask", lambda images: share)
    found = HeadNetFaces(net).features(PICTURES)
    assert found.isfinite().all(dim=1).tolist() == [True, True, False, False]
    assert found[0].norm().item() == pytest.approx(1.0, abs=1e-4)
    monkeypatch.setattr(net, "mask", lambda images: 0 * share)
    assert HeadNetFaces(net).features(PICTURES).isnan().all()
    assert not math.isnan(HeadNetHeads(net).masks(PICTURES).sum())


def test_hair_styles_are_probabilities(net: HeadNet) -> None:
    found = HeadNetHair(net).features(PICTURES)
    assert found.shape == (4, len(KINDS["hair_style"]))
    torch.testing.assert_close(found.sum(dim=1), torch.ones(4))


def test_it_stands_in_where_no_file_is_named(net: HeadNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.headnet.load_headnet", lambda device: net)
    shop = DetectorShop((), torch.device("cpu"))
    digests = [
        found.digest
        for found in (
            shop.features("headnet"),
            shop.features("headnethair"),
            shop.features("headnetyaw"),
            shop.faces("face"),
            shop.heads("segmentation"),
        )
    ]
    assert digests == ["digest", "digest hair_style", "digest yaw", "digest identity", "digest mask"]
