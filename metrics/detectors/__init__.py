# SPDX-License-Identifier: Apache-2.0
"""Detectors: what turns pictures into features that a distance can compare."""
