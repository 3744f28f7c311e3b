# SPDX-License-Identifier: Apache-2.0
"""Parts of file names that say what something was made of, and are safe on every system."""

import re

MAX_LENGTH = 80  # Room for a few of them, and an ending, in the 255 that file systems have.

# Devices of Windows, whatever ending follows.
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)\d)(\..*)?", re.IGNORECASE)


def safe_name(text: str, otherwise: str) -> str:
    """Its ASCII letters and digits, hyphens for the rest; `otherwise` where nothing is left."""
    name = re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip(".-")[:MAX_LENGTH].rstrip(".-") or otherwise
    return f"{otherwise}-{name}" if _DEVICE.fullmatch(name) else name


def unlike(name: str, taken: set[str]) -> str:
    """The name, numbered if it is taken, in upper or lower case. Then it is taken too."""
    number, found = 1, name
    while found.lower() in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found.lower())
    return found
