# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos of a generator: who sits (latents), where the camera stands, what is shown, how it is kept."""
