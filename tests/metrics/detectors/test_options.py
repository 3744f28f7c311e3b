# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from metrics.detectors.options import DetectorOptions, parse_detector


def test_names_in_use_have_the_size_and_range_they_were_made_for() -> None:
    options = parse_detector("inception=weights/inception.pt#sha256=" + "ab" * 32)
    assert options == DetectorOptions("inception", "weights/inception.pt", "ab" * 32, 299, "0..255")
    assert parse_detector("own=net.onnx") == DetectorOptions("own", "net.onnx")


def test_everything_can_be_said() -> None:
    text = "face=https://host/face.onnx#size=160&range=0..1&order=bgr&flags=normalize,embed&classes=1,2"
    expected = DetectorOptions(
        "face", "https://host/face.onnx", None, 160, "0..1", "bgr", ("normalize", "embed"), (1, 2)
    )
    assert parse_detector(text) == expected
    assert parse_detector("inception=a.onnx#size=any").size is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("net.onnx", "NAME=FILE"),
        ("=net.onnx", "NAME=FILE"),
        ("my net=net.onnx", "NAME=FILE"),
        ("fd_x=net.onnx", "NAME=FILE"),
        ("Net=net.onnx", "small letters"),
        ("net=", "NAME=FILE"),
        ("net=a.onnx#range=0..2", "range=0..2"),
        ("net=a.onnx#order=grb", "order=grb"),
        ("net=a.onnx#size=2", "size=2"),
        ("net=a.onnx#siez=64", "did you mean size"),
        ("net=a.onnx#classes=head", "classes=head"),
        ("net=a.onnx#flags=a b", "flags=a b"),
    ],
)
def test_mistakes_are_told(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        parse_detector(text)


def test_another_file_than_the_one_meant_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"something else")
    with pytest.raises(ValueError, match="instead of"):
        parse_detector(f"net={tmp_path / 'net.onnx'}#sha256={'0' * 64}").file()
