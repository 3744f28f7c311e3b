# SPDX-License-Identifier: Apache-2.0
"""Names of metrics on the command line of a training: what can be measured at every save."""

from dnnlib.console import get_logger
from metrics.names import NEVER, needs_file, parse

log = get_logger(__name__)


def metric_names(text: str) -> list[str]:
    """A list with commas; `none` is the empty one. What needs the file of a network is left out with a warning."""
    names = [] if text.lower() == "none" else [name.strip() for name in text.split(",") if name.strip()]
    never = [name for name in names if name in NEVER]  # Pasted commands name these.
    missing = [name for name in names if name not in never and needs_file(parse(name))]
    if missing:
        log.warning(
            f"{', '.join(missing)}: needs networks in files, so the run does not measure it; calc_metrics.py "
            "does, with --detector=NAME=FILE"
        )
    if never:
        log.warning(f"{', '.join(never)}: measures textures of StyleGAN3, so the run does not measure it.")
    return [name for name in names if name not in never and name not in missing]
