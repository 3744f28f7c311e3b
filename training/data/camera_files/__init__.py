# SPDX-License-Identifier: Apache-2.0
"""Cameras in the files of other programs, to and from the 25-number label."""
