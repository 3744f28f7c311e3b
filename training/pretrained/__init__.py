# SPDX-License-Identifier: Apache-2.0
"""Networks by name, file or URL: `load_generator` and `load_discriminator`.

A source is a `.safetensors` file of ours, a `.pkl` of PanoHead or EG3D, the folder of a run (its newest networks), a
URL (`https://host/file.pkl#sha256=...`), or the name of a model that is shipped with FullHead.

Nothing in a file is ever executed, pickles included, and no memory is taken for what a file only declares. So a URL may
go without its checksum; with one, it is certain that the file is the one that was meant.
"""

from training.pretrained.load import load_discriminator, load_generator, load_networks

__all__ = ["load_discriminator", "load_generator", "load_networks"]
