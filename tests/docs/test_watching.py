# SPDX-License-Identifier: Apache-2.0
"""The page on watching a run says what the code does."""

from pathlib import Path

from training.watch.alarms import ALARMS

PAGE = (Path(__file__).parents[2] / "docs" / "watching.md").read_text(encoding="utf-8")


def test_every_alarm_is_in_the_table_with_its_remedy() -> None:
    rows = [f"| {alarm.title.rstrip(',')} | {alarm.limit} | {alarm.says} | {alarm.helps} |" for alarm in ALARMS]
    table = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert table[-len(rows) :] == rows


def test_settings_that_the_alarms_name_exist() -> None:
    from configs import resolve  # noqa: PLC0415
    from dnnlib.config import to_tree  # noqa: PLC0415
    from dnnlib.config_paths import leaves  # noqa: PLC0415

    paths = set(leaves(to_tree(resolve("panohead"))))
    groups = {path.rpartition(".")[0] for path in paths}
    named = {word for alarm in ALARMS for word in _words(alarm.helps) if word.partition(".")[0] in groups | {"data"}}
    assert {"loss.gamma", "augment.mode", "data.selection"} <= named
    assert named <= paths | groups


def _words(text: str) -> list[str]:
    return [word.strip(";,.()").partition("=")[0] for word in text.split() if "." in word.strip(";,.()")]
