# SPDX-License-Identifier: Apache-2.0
"""Inversion: the head of a generator that looks like a person in given pictures.

A *target* is a picture with its camera; it is a *view* of a *head*, and one head may have several. First the styles are
sought that show it best (`searching.py`), which is their *pivot*; then the generator is tuned around that pivot until
the views are met (`tuning.py`), after Roich et al., "Pivotal Tuning for Latent-based Editing of Real Images" (2021).
"""
