# SPDX-License-Identifier: Apache-2.0
"""Whether the pictures of one head agree with each other, and with the truth where it is known. No network judges."""
