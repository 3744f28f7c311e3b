# SPDX-License-Identifier: Apache-2.0
"""Detectors from files: what both kinds give, and that what cannot be right is refused before any work."""

from pathlib import Path

import pytest
import torch

from metrics.detectors.files import DetectorError, FileDetector, FileHeads
from metrics.detectors.options import parse_detector
from metrics.detectors.resize import resized
from metrics.detectors.shop import DetectorShop
from tests.metrics import detector_files as files

CPU = torch.device("cpu")
PICTURES = torch.randint(0, 256, (5, 3, 24, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def detector(path: Path, how: str = "") -> FileDetector:
    return FileDetector(parse_detector(f"own={path}{how}"), CPU)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files.write_script(tmp_path_factory.mktemp("detector") / "colours.pt", files.Colours())


@pytest.mark.parametrize(
    ("how", "given"),
    [
        ("", lambda x: x / 255),
        ("#range=0..255", lambda x: x),
        ("#range=-1..1", lambda x: x / 127.5 - 1),
        ("#range=0..1&order=bgr", lambda x: x.flip(1) / 255),
    ],
)
def test_a_script_gets_pictures_in_its_range_and_order(script: Path, how: str, given) -> None:
    expected = files.Colours()(given(PICTURES.float()))
    assert torch.allclose(detector(script, how).features(PICTURES), expected, atol=1e-3)


def test_pictures_are_resized_before_they_are_looked_at(script: Path) -> None:
    sized = detector(script, "#size=16")
    assert torch.allclose(sized.features(PICTURES), files.Colours()(resized(PICTURES, 16) / 255), atol=1e-5)
    assert sized.facts["size"] == 16
    assert "bicubic" in sized.facts["resize"]


def test_no_other_features_are_taken_for_inceptions(script: Path) -> None:
    with pytest.raises(DetectorError, match=r"gives 8 features.*are of 2048.*return_features"):
        FileDetector(parse_detector(f"inception={script}#size=any"), CPU)


def test_flags_are_arguments_that_are_true(script: Path) -> None:
    plain, doubled = detector(script), detector(script, "#flags=doubled")
    assert torch.allclose(2 * plain.features(PICTURES), doubled.features(PICTURES))
    assert plain.digest != doubled.digest
    with pytest.raises(ValueError, match="fails on pictures"):
        detector(script, "#flags=absent")


def test_an_onnx_file_of_a_fixed_batch_and_size_looks_at_any_number(tmp_path: Path) -> None:
    free = detector(files.write_onnx(tmp_path / "free.onnx"), "#size=16")
    fixed = detector(files.write_onnx(tmp_path / "fixed.onnx", size=16, batch=2))
    assert fixed.size == 16
    assert fixed.features(PICTURES).shape == (5, 5)
    assert torch.allclose(free.features(PICTURES), fixed.features(PICTURES), atol=1e-5)
    with pytest.raises(DetectorError, match="#size=16"):
        detector(tmp_path / "fixed.onnx", "#size=32")


def test_the_digest_is_of_the_content_and_of_how_it_is_used(script: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pt"
    copy.write_bytes(script.read_bytes())
    assert detector(script).digest == detector(copy).digest != detector(script, "#range=0..255").digest


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (files.Together(), "training mode"),
        (files.Blind(), "same features for different pictures"),
        (files.Broken(), "not finite"),
        (files.Row(), "not one row of features"),
    ],
)
def test_networks_that_cannot_be_detectors_are_refused(tmp_path: Path, module: torch.nn.Module, says: str) -> None:
    path = files.write_script(tmp_path / "net.pt", module)
    with pytest.raises(DetectorError, match=says):
        detector(path)


def test_pickles_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="pickled weights"):
        detector(tmp_path / "weights.pt")
    (tmp_path / "net.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match="pickle"):
        detector(tmp_path / "net.pkl")
    with pytest.raises(ValueError, match="no such file"):
        detector(tmp_path / "absent.onnx")


def test_a_segmentation_gives_masks_of_the_size_of_the_pictures(tmp_path: Path) -> None:
    path = files.write_script(tmp_path / "bright.pt", files.Bright())
    heads = FileHeads(parse_detector(f"segmentation={path}#size=32&range=0..1"), CPU)
    picture = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    picture[..., :20] = 255
    mask = heads.masks(picture)
    assert mask.shape == (1, 1, 40, 40)
    assert mask[..., :18].min() > 0.9
    assert mask[..., 22:].max() < 0.1
    with pytest.raises(DetectorError, match="RGB"):
        FileHeads(parse_detector(f"segmentation={path}#order=bgr"), CPU)


def test_the_shop_says_what_is_missing_and_opens_a_file_once(script: Path) -> None:
    shop = DetectorShop([parse_detector(f"own={script}")], CPU)
    assert shop.features("own") is shop.features("own")
    with pytest.raises(ValueError, match=r"Inception-v3.*--detector=inception=FILE"):
        shop.features("inception")
    with pytest.raises(ValueError, match="Did you mean own"):
        shop.features("own2")
    with pytest.raises(ValueError, match="two files have one name"):
        DetectorShop([parse_detector(f"own={script}")] * 2, CPU)
    with pytest.raises(ValueError, match="without a file"):
        DetectorShop([parse_detector(f"thumbs={script}")], CPU)
