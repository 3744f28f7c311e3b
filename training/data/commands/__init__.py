# SPDX-License-Identifier: Apache-2.0
"""The subcommands of dataset_tool.py, one file each: options in, one call out."""
