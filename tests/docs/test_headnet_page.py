# SPDX-License-Identifier: Apache-2.0
"""The page on HeadNet says what the record of the shipped weights says, and the record keeps what was promised."""

import re
from pathlib import Path

from metrics.headnet.record import RECORD, read_record
from metrics.headnet.weights import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "headnet.md").read_text(encoding="utf-8")
FIGURES = read_record(SHIPPED.with_name(RECORD))["held_out"]


def test_the_tables_hold_the_figures_of_the_record():
    yaw, identity = FIGURES["yaw"], FIGURES["identity"]
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d.]+)", PAGE, re.MULTILINE))
    assert rows["yaw, median error"] == f"{yaw['median_deg']:.2f}"
    assert rows["yaw, 95 % are within"] == f"{yaw['p95_deg']:.1f}"
    assert rows["yaw, median error when blurred by a pixel of 64"] == f"{yaw['median_deg_blurred_1px']:.2f}"
    assert rows["yaw, median error with noise of deviation 0.1"] == f"{yaw['median_deg_noise_0.1']:.2f}"
    assert rows["identity, AUC of face views"] == f"{identity['auc']:.4f}"
    assert rows["the same where both heads have one hair style"] == f"{identity['auc_same_hair_style']:.4f}"
    assert rows["identity, AUC of all views, backs included"] == f"{identity['auc_all_views']:.4f}"
    assert rows["mask, mean intersection over union"] == f"{FIGURES['mask_iou']:.3f}"
    for name, value in FIGURES["perceptual"]["blur_px"].items():
        assert name == "0" or rows[f"itself, blurred by {name} pixels of 64"] == f"{value:.3f}"


def test_what_was_promised_is_kept():
    assert FIGURES["yaw"]["median_deg"] <= 5
    assert FIGURES["identity"]["auc"] >= 0.95
    for curve in FIGURES["faults"].values():
        assert list(curve.values()) == sorted(curve.values())


def test_links_and_pictures_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_its_python_runs():
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/headnet.md", "exec"), {})
