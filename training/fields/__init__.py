# SPDX-License-Identifier: Apache-2.0
"""Fields: what a scene consists of at a point of canonical space. `base.py` is the slot."""
