# SPDX-License-Identifier: Apache-2.0
"""Files of shapes: meshes as .ply, .obj and .glb, volumes as .mrc. All by NumPy alone, all in the units they are given."""
