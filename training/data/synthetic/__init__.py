# SPDX-License-Identifier: Apache-2.0
"""Procedural heads: a seed becomes a solid, the solid becomes pictures with exact cameras, masks and depth."""
