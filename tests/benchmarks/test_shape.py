# SPDX-License-Identifier: Apache-2.0
import pytest
from click.testing import CliRunner

from benchmarks import shape


def test_three_ways_to_a_shape_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "PLAIN_BLOCK", 20_000)
    result = CliRunner().invoke(shape.main, ["--cfg", "panohead_debug", "--resolution", "32", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    rows = [line.split("|") for line in result.output.splitlines() if "**" in line and line.startswith("|")]
    assert [row[1].strip() for row in rows] == [shape.SURFACE, shape.DENSE, shape.PLAIN]
    assert rows[1][3].strip() == rows[2][3].strip() == "100.00%"
