# SPDX-License-Identifier: Apache-2.0
"""Problems as a JSON file, for other programs."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dnnlib.atomic import atomic_write_text
from training.data.problems import Problem


def write_report(path: Path, problems: Sequence[tuple[str, Problem]]) -> None:
    """Counts by kind, and every problem with its kind, file, reason and remedy."""
    content = {
        "counts": dict(Counter(kind for kind, _ in problems)),
        "problems": [
            {"kind": kind, "file": problem.name, "reason": problem.reason, "remedy": problem.remedy}
            for kind, problem in problems
        ],
    }
    atomic_write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
