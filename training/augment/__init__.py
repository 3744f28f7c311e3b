# SPDX-License-Identifier: Apache-2.0
"""Augmentation of what a critic is shown: Karras et al., "Training generative adversarial networks with limited data".

Real and generated pictures pass through the same random transforms, so the critic cannot learn a small data set by
heart, and because every transform happens with a probability below one, the generator does not learn to make them.

Vocabulary: `p` is the overall probability, a number on the device; a transform *fires* for an image with probability
p times its strength. A picture is the square [-1, 1] x [-1, 1], x to the right and y down, at every resolution: a
point of the image has the same coordinates in the raw picture and in the mask, which move together. Colours, noise and
holes are for the image and the raw picture alone. `purpose` tells apart the passes of a step; with the seed and the
global index of an image it decides every random number (see `torch_utils.rng`).
"""
