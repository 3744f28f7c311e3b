# SPDX-License-Identifier: Apache-2.0
"""How far two sets of features are from each other: pure functions of tensors."""
