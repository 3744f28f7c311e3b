# SPDX-License-Identifier: Apache-2.0
"""What pictures are made under, as named tensors and as the one tensor `c` of EG3D's calling convention.

`widths` says which conditions a network knows and how many numbers each has. In `c` they stand side by side in that
order, the camera first: a camera of 25 and a pose of 6 numbers are the 31 columns of one `c`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Conditions = Mapping[str, Float[Tensor, "batch _"]]
Widths = Mapping[str, int]


def split(c: Float[Tensor, "batch numbers"], widths: Widths) -> dict[str, Tensor]:
    """The columns of `c` by name."""
    return dict(zip(widths, c.split(list(widths.values()), dim=1), strict=True))


def join(conditions: Mapping[str, Any], widths: Widths) -> Float[Tensor, "batch numbers"]:
    """Named conditions side by side. Others than those in `widths` are left out: a data set may know more."""
    for name, width in widths.items():
        x = conditions.get(name)
        if not isinstance(x, Tensor) or x.ndim != 2 or x.shape[1] != width:
            given = list(x.shape) if isinstance(x, Tensor) else "absent" if x is None else f"a {type(x).__name__}"
            raise ValueError(f"The condition {name!r} must be [batch, {width}], but it is {given}.")
    if len({len(conditions[name]) for name in widths}) > 1:
        rows = ", ".join(f"{name} {len(conditions[name])}" for name in widths)
        raise ValueError(f"Conditions must have as many rows each, one per picture: {rows}.")
    return torch.cat([conditions[name] for name in widths], dim=1)
