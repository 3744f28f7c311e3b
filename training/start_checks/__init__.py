# SPDX-License-Identifier: Apache-2.0
"""What is known to go wrong, found before the first step; `every.py` has the list."""
