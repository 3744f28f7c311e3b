# SPDX-License-Identifier: Apache-2.0
"""New sets from pictures: packing, checking, aligning, segmenting, and the pictures that show what a set holds."""
