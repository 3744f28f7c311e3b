# SPDX-License-Identifier: Apache-2.0
"""Compares the CUDA kernels, as a CPU carries them out, with the references: `check.py LIBRARY OPERATOR`.

A process of its own, since the library takes the place of the CPU's kernels.
"""

import sys

import torch
from torch.library import opcheck

from tests.torch_utils.ops import op_cases, op_checks, test_registration
from torch_utils.ops import native


def main(library: str, op: str) -> None:
    torch.set_num_threads(1)
    torch.ops.load_library(library)
    native.why_not = lambda op, device_type: None
    checks = 0
    for case in test_registration.GROUPS[op]:
        for dtype in op_checks.DTYPES:
            if dtype.itemsize == 2 and case.order == 0:
                continue  # depths are float32 at least
            layouts = op_checks.layouts_for(case)
            if op.startswith("composite") and dtype != torch.float32:
                layouts = ("contiguous", "unaligned")  # rays take many threads, which are slow here
            for layout in layouts:
                op_checks.check_against_float64(case, dtype, "cpu", layout)
                checks += 1
        op_checks.check_deterministic(case)
    if op == "trigrid_decode":
        for case in (op_cases.decode_of_many_points(), op_cases.wide_decode()):
            op_checks.check_against_float64(case, torch.float64)
    for name, samples in test_registration.samples().items():
        if name in RELATED[op]:
            for arguments in samples:
                opcheck(getattr(torch.ops.fullhead, name).default, arguments)
                checks += 1
    print(f"{checks} comparisons")


# The registered operators that belong to each.
RELATED = {
    "biased_act": ("biased_act", "act_slope", "act_curve"),
    "fir_resample": ("fir_resample",),
    "fir_act": ("fir_act",),
    "trigrid_decode": ("trigrid_decode", "trigrid_decode_grad"),
    "composite": ("composite", "composite_grad"),
    "composite_passes": ("composite_passes", "composite_passes_grad"),
    "importance_depths": ("importance_depths", "merge_depths"),
    "philox_words": ("philox_words",),
}

if __name__ == "__main__":
    main(*sys.argv[1:])
