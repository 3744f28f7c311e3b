# SPDX-License-Identifier: Apache-2.0
"""The list of all checks."""

from training.start_checks import data, machine, settings
from training.start_checks.finding import Check, Facts, Finding

CHECKS: tuple[Check, ...] = (
    *(data.resolution, data.cameras, data.masks, data.mirrored, data.enough_images, data.backs, data.views),
    *(data.depths, data.raw_size),
    *(machine.batches, machine.memory, machine.folder, machine.compiling),
    *(settings.r1, settings.average, settings.augmentation, settings.ramps, settings.length, settings.frozen),
)


def findings(facts: Facts) -> list[Finding]:
    """Of all checks: refusals first."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.severity)
