# SPDX-License-Identifier: Apache-2.0
"""Losses: functions of tensors, one value per image. Callers weigh them and take the mean, of whatever is a batch."""
