# SPDX-License-Identifier: Apache-2.0
"""Shapes: the surface of a head as a mesh or a volume, in world units, where its pictures show it."""
