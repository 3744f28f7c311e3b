# SPDX-License-Identifier: Apache-2.0
"""Names of the forms that losses have, for configurations, which know no tensors."""

from typing import Literal

DensityKind = Literal["l1", "monotonic-detach", "monotonic-fixed", "total-variation"]
ShiftForm = Literal["per-sample", "batch-mean"]
