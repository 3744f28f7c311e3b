# SPDX-License-Identifier: Apache-2.0
"""A run one can watch: pictures, health, TensorBoard and a page, all beside the training and without a say in it."""
