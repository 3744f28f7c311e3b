# SPDX-License-Identifier: Apache-2.0
"""Warps: from where a point is seen to where the canonical field knows it. `base.py` is the slot."""
