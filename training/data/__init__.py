# SPDX-License-Identifier: Apache-2.0
"""Data: how a set is read (the modules here), made (making), drawn (synthetic), and driven (commands)."""
