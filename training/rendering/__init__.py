# SPDX-License-Identifier: Apache-2.0
"""Renderers: rays through a warp and a field to features, depth and opacity. `base.py` is the slot."""
