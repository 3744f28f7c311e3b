# SPDX-License-Identifier: Apache-2.0
"""Names of metrics on a command line: those there are, and published ones that are still to come."""

import importlib
import importlib.util

from dnnlib.console import get_logger
from dnnlib.text import nearest

log = get_logger(__name__)

# Pasted commands name these. They need networks that judge pictures.
PUBLISHED = ("fid50k_full", "kid50k_full", "pr50k3_full", "is50k", "fid50k", "kid50k", "pr50k3", "ppl2_wend",
             "eqt50k_int", "eqt50k_frac", "eqr50k")  # fmt: skip


def known_metrics() -> list[str]:
    if importlib.util.find_spec("metrics") is None or importlib.util.find_spec("metrics.registry") is None:
        return []
    return list(importlib.import_module("metrics.registry").METRICS)


def metric_names(text: str) -> list[str]:
    """A list with commas; `none` is the empty one. What is published and not here is left out with a warning."""
    names = [] if text.lower() == "none" else [name.strip() for name in text.split(",") if name.strip()]
    known = known_metrics()
    for name in names:
        if name not in known and name not in PUBLISHED:
            close = nearest(name, known)
            hint = f" Did you mean {close}?" if close else ""
            raise ValueError(f"no metric named {name}.{hint} There are: {', '.join([*known, 'none'])}")
    missing = [name for name in names if name not in known]
    if missing:
        log.warning(f"{', '.join(missing)}: not available in this version; the run measures nothing of the kind.")
    return [name for name in names if name in known]
