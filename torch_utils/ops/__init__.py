# SPDX-License-Identifier: Apache-2.0
"""Operators: each module holds one, with its contract, its PyTorch reference and its registration.

`python -m torch_utils.ops` reports which path each of them takes on this machine.
"""

from torch_utils.ops.biased_act import Activation, biased_act
from torch_utils.ops.composite import composite, composite_passes
from torch_utils.ops.fir_act import fir_act
from torch_utils.ops.fir_resample import downsample, filter_taps, fir_resample, smooth, upsample
from torch_utils.ops.importance_depths import importance_depths, merge_depths, mid_cell
from torch_utils.ops.native import forced
from torch_utils.ops.philox_words import philox_words
from torch_utils.ops.trigrid_decode import trigrid_decode

__all__ = [
    "Activation",
    "biased_act",
    "composite",
    "composite_passes",
    "downsample",
    "filter_taps",
    "fir_act",
    "fir_resample",
    "forced",
    "importance_depths",
    "merge_depths",
    "mid_cell",
    "philox_words",
    "smooth",
    "trigrid_decode",
    "upsample",
]
