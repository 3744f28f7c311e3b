# SPDX-License-Identifier: Apache-2.0
"""The record beside the weights: how they were made, and how well they do on heads never seen."""

import json
from pathlib import Path
from typing import Any

WEIGHTS, RECORD = "headnet.safetensors", "headnet.json"


def to_json(record: dict[str, Any]) -> str:
    """As it is written."""
    return json.dumps(record, indent=2, allow_nan=False) + "\n"


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file."""
    return json.loads(path.read_text(encoding="utf-8"))
