# SPDX-License-Identifier: Apache-2.0
"""Machines by their public numbers, and what share of them is assumed to be reached.

Peaks are dense, without sparsity. A link is what one GPU can send to another of its node while it receives as much;
the network is what one node can send to the others, as the makers' own eight-GPU servers have it.
"""

from typing import NamedTuple


class Machine(NamedTuple):
    """A kind of GPU, in nodes."""

    name: str
    fp32_tflops: float
    tf32_tflops: float  # As fp32 where there is no such mode.
    half_tflops: float  # Of 16 bits: bf16, on V100 fp16.
    memory_gbs: float  # GB/s.
    link_gbs: float
    network_gbs: float  # Of a node.
    node: int = 8  # GPUs.
    has_host: bool = True  # That prepares an operator while the last one computes.


class Assumptions(NamedTuple):
    """What is not looked up but supposed. None of it was fitted to a measured training."""

    fp32_share: float = 0.7  # Of peak, in convolutions and matrix products.
    tensor_share: float = 0.4  # The same on tensor cores.
    memory_share: float = 0.75
    link_share: float = 0.7
    network_share: float = 0.7
    launch_us: float = 8.0  # Host time of an operator; a step takes no less than all of them.
    hop_us: float = 10.0  # Of a message from one GPU to the next.
    optimizer_bytes: int = 32  # Moved per parameter: weight, gradient and two moments read, three written, one cleared.
    average_bytes: int = 12  # The running average and the weight are read, the average is written.


V100 = Machine("V100", 15.7, 15.7, 125, 900, 150, 50)
A100 = Machine("A100", 19.5, 156, 312, 2039, 300, 200)
H100 = Machine("H100", 67, 494, 989, 3350, 450, 400)
H200 = Machine("H200", 67, 494, 989, 4800, 450, 400)
MACHINES = {machine.name.lower(): machine for machine in (H200, H100, A100, V100)}
ASSUMED = Assumptions()

# The two cores of docs/ops.md, by what was measured on them: convolutions in channels-last memory, and copies
# (benchmarks/stages.py, 38 to 66 GB/s).
CPU = Machine("2 CPU cores", 0.4, 0.4, 0.8, 50, 10, 10, node=1, has_host=False)
MEASURED = Assumptions(fp32_share=1, tensor_share=1, memory_share=1, launch_us=5)
