# SPDX-License-Identifier: Apache-2.0
"""How good generated pictures are, as numbers."""
