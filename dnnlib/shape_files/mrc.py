# SPDX-License-Identifier: Apache-2.0
"""Volumes as .mrc (MRC2014, mode 2: float32), which ChimeraX opens with the right size in the right place.

Written section by section, so that a volume need not fit into memory. The statistics of the header come last, since
they are known then.
"""

import struct
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

HEADER_BYTES = 1024
_LABEL_BYTES = 80


def write_mrc(
    file: BinaryIO,
    sections: Iterable[np.ndarray],  # For each z, upwards: [y, x].
    shape: tuple[int, int, int],  # Samples along x, y, z.
    voxel_size: float,
    origin: tuple[float, float, float],  # Where the first sample is.
    label: str = "",
) -> None:
    """Writes a volume at the beginning of a file that can seek. Lengths are in any unit; ChimeraX says angstrom."""
    begin = file.tell()
    file.write(bytes(HEADER_BYTES))
    count, total, squares, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    for section in sections:
        assert section.shape == (shape[1], shape[0]), f"a section is {section.shape}, the volume {shape}"
        data = np.ascontiguousarray(section, dtype="<f4")
        file.write(data.data)
        precise = data.astype(np.float64)
        count, total, squares = count + data.size, total + precise.sum(), squares + np.square(precise).sum()
        low, high = min(low, float(data.min())), max(high, float(data.max()))
    assert count == np.prod(shape), f"{count} samples, the volume has {shape}"
    end, mean = file.tell(), total / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    file.seek(begin)
    file.write(_header(shape, voxel_size, origin, (low, high, mean), deviation, label))
    file.seek(end)


def _header(
    shape: tuple[int, int, int],
    voxel_size: float,
    origin: tuple[float, float, float],
    low_high_mean: tuple[float, float, float],
    deviation: float,
    label: str,
) -> bytes:
    lengths = [n * voxel_size for n in shape]
    words = struct.pack(
        "<10i6f3i3f2i",
        *(*shape, 2),  # mode 2: float32
        *(0, 0, 0),  # where the volume begins, in voxels: `origin` says it
        *shape,  # intervals along the lengths that follow
        *(*lengths, 90.0, 90.0, 90.0),
        *(1, 2, 3),  # columns run along x, rows along y, sections along z
        *low_high_mean,
        *(1, 0),  # a volume, not a stack of pictures; no extended header
    )
    words = words.ljust(104, b"\0") + b"\0" * 4 + struct.pack("<i", 20140)  # Version of the format, word 28.
    words = words.ljust(196, b"\0")
    words += struct.pack("<3f4s4Bfi", *origin, b"MAP ", 0x44, 0x44, 0, 0, deviation, 1)  # Little-endian; one label.
    return words + label.encode("ascii")[:_LABEL_BYTES].ljust(_LABEL_BYTES) + bytes(9 * _LABEL_BYTES)
