# SPDX-License-Identifier: Apache-2.0
"""Networks of StyleGAN2's family: they turn codes into feature maps, and pictures into scores.

They know no field, warp or renderer, no loss and no trainer. Vocabulary: `z` is a latent code, `w` a style vector, `ws`
the styles [N, num_ws, w_dim] of all layers of a network, a *block* the layers that share a resolution.
"""
