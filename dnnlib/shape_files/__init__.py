# SPDX-License-Identifier: Apache-2.0
"""Files of shapes: meshes as .ply, .obj and .glb, volumes as .mrc. By NumPy alone, in the units that they are given."""
