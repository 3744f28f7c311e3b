# SPDX-License-Identifier: Apache-2.0
import copy
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from metrics.__main__ import main
from metrics.compare import UnlikeError, compare, newest
from metrics.record import SAME, append, lookup, read

RECORD = {
    "version": 1,
    "metric": "fd500_thumbs",
    "value": 12.0,
    "spread": 0.3,
    "parts": {},
    "asked": 500,
    "counts": {"generated": 500, "real": 2000},
    "render": {"mode": "all", "psi": 1.0, "noise": "const", "resolution": 64, "precision": "fp32", "poses": {}},
    "network": {"source": "a.safetensors", "digest": "a", "nimg": 1000},
    "data": {"digest": "d", "poses": {"yaw+000": 1.0}},
    "detector": {"name": "thumbs", "digest": "t", "size": None, "resize": None},
    "seed": 0,
    "code": {"commit": "c"},
    "machine": {"device": "cpu", "torch": "2"},
}


def changed(**fields: object) -> dict:
    """With `a__b=1` for the field b of a."""
    row = copy.deepcopy(RECORD)
    for path, value in fields.items():
        *folders, last = path.split("__")
        place = row
        for folder in folders:
            place = place[folder]
        place[last] = value
    return row


def test_two_networks_measured_alike_are_compared() -> None:
    better = compare(RECORD, changed(network__digest="b", value=10.0, spread=0.4))
    assert (better.better, better.difference) == ("B", -2.0)
    assert better.deviations == pytest.approx(4.0)
    assert better.notes == ("a.safetensors and a.safetensors",)
    assert compare(RECORD, changed(network__digest="b", value=11.9)).better == "neither"
    likeness = [changed(metric="id", value=value, spread=0.1) for value in (0.5, 0.9)]
    assert compare(*likeness).better == "B"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"render__mode": "back"}, "the mode: all and back"),
        ({"asked": 100}, "the number of generated pictures"),
        ({"counts__real": 1000}, "the number of real pictures: 2000 and 1000"),
        ({"data__digest": "e"}, "the content of the data set"),
        ({"data__poses": {"yaw+000": 0.5}}, r"distribution of poses.*1\.0 and 0\.5"),
        ({"detector__resize": "another way"}, "the detector.*resize None and another way"),
        ({"detector__digest": "u"}, "the detector.*digest t and u"),
        ({"render__precision": "bf16"}, "precision.*fp32 and bf16"),
        ({"metric": "kd500_thumbs"}, "the metric: fd500_thumbs and kd500_thumbs"),
        ({"version": 2}, "version"),
        ({"value": None}, "B has no value"),
    ],
)
def test_unlike_records_are_refused_with_the_reason(fields: dict, says: str) -> None:
    with pytest.raises(UnlikeError, match=says):
        compare(RECORD, changed(**fields))


def test_a_value_from_training_is_refused_for_what_it_does_not_say() -> None:
    with pytest.raises(UnlikeError, match="during training"):
        compare({"metric": "fd500_thumbs", "value": 3.0, "nimg": 4}, RECORD)


def test_what_may_differ_is_noted() -> None:
    notes = compare(RECORD, changed(seed=1, machine__device="cuda")).notes
    assert notes[0] == "both are of the same network"
    assert any("seeds 0 and 1" in note for note in notes)
    assert any("device cpu and cuda" in note for note in notes)


def test_the_networks_that_are_compared_are_named() -> None:
    a = changed(network__source="a.safetensors", network__delta=None)
    b = changed(network__source="b.safetensors", network__delta="delta.safetensors", network__digest="b")
    assert compare(a, b).notes[0] == "a.safetensors and b.safetensors with delta.safetensors"


def test_every_path_that_must_agree_is_in_a_record() -> None:
    assert all(lookup(RECORD, path) is not None for path in SAME)


def test_records_are_appended_and_the_newest_counts(tmp_path: Path) -> None:
    append(tmp_path, RECORD)
    path = append(tmp_path, changed(value=5.0))
    append(tmp_path, changed(render__mode="back", value=7.0))
    assert [row["value"] for row in read(path)] == [12.0, 5.0, 7.0]
    found = newest(tmp_path)
    assert {name: row["value"] for name, row in found.items()} == {
        "fd500_thumbs (all)": 5.0,
        "fd500_thumbs (back)": 7.0,
    }
    path.write_text(path.read_text() + "{")
    with pytest.raises(ValueError, match="line 4: is not JSON"):
        newest(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no records"),
        (b"x\xff", "is no text"),
        (b'{"metric": "depth", "value": "1"}', "line 1: is no record"),
        (b'{"metric": 3, "value": 1}', "line 1: is no record"),
        (b"[1]", "line 1: is no record"),
    ],
)
def test_what_is_no_record_is_told_with_its_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "metric-depth.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"metric-depth.jsonl.*{says}"):
        newest(path)


def test_the_command_shows_a_table_or_says_why_not(tmp_path: Path) -> None:
    for name, value in (("a", 12.0), ("b", 10.0)):
        append(tmp_path / name, changed(network__digest=name, value=value))
    shown = CliRunner().invoke(main, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert shown.exit_code == 0
    assert shown.output.split("\n")[1].split() == ["fd500_thumbs", "all", "12", "10", "-2", "4.7", "B"]
    append(tmp_path / "c", changed(data__digest="another"))
    refused = CliRunner().invoke(main, ["compare", str(tmp_path / "a"), str(tmp_path / "c")])
    assert refused.exit_code == 1
    assert "the content of the data set" in refused.output
    append(tmp_path / "e", changed(metric="depth"))
    refused = CliRunner().invoke(main, ["compare", str(tmp_path / "a"), str(tmp_path / "e")])
    assert "the metric" in refused.output
    absent = CliRunner().invoke(main, ["compare", str(tmp_path / "a"), str(tmp_path / "z")])
    assert "there is no such" in absent.output
    assert CliRunner().invoke(main, ["list"]).output.count("better") >= 17


def test_a_record_is_one_line_of_json(tmp_path: Path) -> None:
    path = append(tmp_path, RECORD)
    assert json.loads(path.read_text()) == RECORD
