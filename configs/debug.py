# SPDX-License-Identifier: Apache-2.0
"""Small runs that show that everything works, on any machine."""

from training.run_config import LoopConfig, RunConfig


def debug() -> RunConfig:
    """A few steps on the CPU: shows that a machine can train at all."""
    return RunConfig(
        name="debug",
        device="cpu",
        loop=LoopConfig(batch=4, total_nimg=64, tick_nimg=16, snapshot_nimg=32),
    )
