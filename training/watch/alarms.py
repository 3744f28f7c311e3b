# SPDX-License-Identifier: Apache-2.0
"""The table of alarms: which number, from where on it is too low or too high, what that means and what usually helps.

The ranges of what pictures show were found with pictures of procedural heads: there, diversity is 0.5 to 0.86, relief
0.09 to 0.12, opacity 0.33 to 0.49, and the median of `mirrored_face` at most 0.22 (0.48 for a single head).
"""

from typing import NamedTuple


class Alarm(NamedTuple):
    """Sounds when `value` is below or above a limit."""

    value: str
    title: str
    says: str
    helps: str
    below: float | None = None
    above: float | None = None
    after_nimg: int = 0  # Not judged before.
    over_nimg: int = 0  # The mean over about so many images is judged.

    def is_outside(self, value: float) -> bool:
        """Whether it sounds."""
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)

    @property
    def limit(self) -> str:
        """`< 0.1`, or `> 0.9`."""
        return f"< {self.below:g}" if self.below is not None else f"> {self.above:g}"

    def in_words(self, value: float) -> str:
        """For the log."""
        return f"{self.title} is {value:.3g} ({self.limit}). {self.says} What usually helps: {self.helps}"


ALARMS: tuple[Alarm, ...] = (
    Alarm(
        "nonfinite_losses",
        "Number of losses that were not finite",
        "A step went wrong. If it happens again, the run will stop.",
        "lower learning rates or a larger loss.gamma.",
        above=0.0,
    ),
    Alarm(
        "G/nonfinite_gradients",
        "Share of the generator's gradients that were not finite",
        "They were replaced, so the run goes on; a share that stays spoils the weights.",
        "a lower generator_adam.lr; full precision; a look at the pictures for saturated colours.",
        above=0.0,
    ),
    Alarm(
        "D/nonfinite_gradients",
        "Share of the critic's gradients that were not finite",
        "They were replaced, so the run goes on; a share that stays spoils the weights.",
        "a lower critic_adam.lr; a larger loss.gamma; full precision.",
        above=0.0,
    ),
    Alarm(
        "G/gradient_growth",
        "The generator's gradient norm, as a multiple of the usual one,",
        "Its gradients grow suddenly: the run is about to diverge.",
        "a lower generator_adam.lr; a larger loss.gamma, which keeps the critic's slopes small.",
        above=100.0,
        after_nimg=1_000,
    ),
    Alarm(
        "D/gradient_growth",
        "The critic's gradient norm, as a multiple of the usual one,",
        "Its gradients grow suddenly: the run is about to diverge.",
        "a lower critic_adam.lr; a larger loss.gamma; a look for damaged pictures in the data.",
        above=100.0,
        after_nimg=1_000,
    ),
    Alarm(
        "G/gradient_norm",
        "The generator's gradient norm",
        "The generator learns nothing: no slope of the critic reaches it.",
        "a look at the opacity, since an empty picture has no gradients; a smaller loss.gamma; a new start.",
        below=1e-7,
        after_nimg=1_000,
        over_nimg=20_000,
    ),
    Alarm(
        "D/gradient_norm",
        "The critic's gradient norm",
        "The critic learns nothing: its scores are saturated, or always the same.",
        "a lower critic_adam.lr and a new start from the last good save.",
        below=1e-7,
        after_nimg=1_000,
        over_nimg=20_000,
    ),
    Alarm(
        "signs/real",
        "Mean sign of the scores of real images",
        "The critic is sure of almost every real image: it begins to know them by heart.",
        "augment.mode=adaptive; data.mirror; more data; a larger loss.gamma.",
        above=0.95,
        after_nimg=20_000,
        over_nimg=20_000,
    ),
    Alarm(
        "signs/real",
        "Mean sign of the scores of real images",
        "The critic takes most real images for generated ones: it has lost the thread.",
        "a lower critic_adam.lr; a smaller loss.gamma; a look at reals.png, whether data and labels are right.",
        below=-0.5,
        after_nimg=20_000,
        over_nimg=20_000,
    ),
    Alarm(
        "signs/fake",
        "Mean sign of the scores of generated images",
        "The critic takes most generated images for real ones: the generator has found a gap.",
        "a smaller loss.gamma; less augmentation; a look at the pictures for what fools it.",
        above=0.5,
        after_nimg=20_000,
        over_nimg=20_000,
    ),
    Alarm(
        "score_gap",
        "Score of real less that of generated images",
        "The critic wins by far, and the generator learns little from it.",
        "a larger loss.gamma; a lower critic_adam.lr; a longer schedule.blur_nimg.",
        above=30.0,
        after_nimg=20_000,
        over_nimg=20_000,
    ),
    Alarm(
        "augment_p",
        "The probability of augmentation",
        "So much augmentation shows in the generated pictures, and it means that there is too little data.",
        "more data; data.mirror; a larger loss.gamma; a smaller network.",
        above=0.8,
        after_nimg=20_000,
    ),
    Alarm(
        "camera_shift",
        "The learned camera shift (world units)",
        "Cameras are moved by more than a third of a picture: the shift has become a second pose.",
        "a larger loss.shift; a check of the labels with `dataset_tool.py cameras`.",
        above=0.25,
        after_nimg=2_000,
        over_nimg=5_000,
    ),
    Alarm(
        "data_wait",
        "The share of time spent waiting for data",
        "Training is slowed down by reading images.",
        "more data.workers; images packed uncompressed and at the right size by `dataset_tool.py pack`.",
        above=0.25,
        after_nimg=2_000,
        over_nimg=20_000,
    ),
    Alarm(
        "health/contrast",
        "The contrast of generated pictures",
        "Pictures are of almost one colour.",
        "a look at reals.png; a smaller loss.gamma; a new start with another seed.",
        below=0.1,
        after_nimg=50_000,
    ),
    Alarm(
        "health/diversity",
        "The diversity of generated pictures",
        "All latents give almost the same picture: the modes have collapsed.",
        "going back to an earlier save; a larger loss.gamma; adaptive augmentation; a larger critic.group_size.",
        below=0.15,
        after_nimg=20_000,
    ),
    Alarm(
        "health/relief",
        "The relief of the heads (depth, in picture widths)",
        "Heads are flat cards.",
        "true and varied camera labels; the critic seeing them; loss.density above 0; a longer schedule.swap_nimg.",
        below=0.03,
        after_nimg=50_000,
    ),
    Alarm(
        "health/opacity",
        "The share of the pictures that heads cover",
        "Volumes are almost empty, and the background paints the picture.",
        "a larger loss.background_swap; masks in the critic's inputs; a look at reals_masks.png.",
        below=0.05,
        after_nimg=20_000,
    ),
    Alarm(
        "health/opacity",
        "The share of the pictures that heads cover",
        "Volumes fill the picture: the background has become part of the head.",
        "masks in the critic's inputs and a larger loss.gamma_mask; a look at reals_masks.png.",
        above=0.95,
        after_nimg=20_000,
    ),
    Alarm(
        "health/mirrored_face",
        "The likeness of the back to the mirrored front",
        "There is a face on the back of the heads.",
        "more back views (data.selection); styles that follow less from the camera (a longer schedule.swap_nimg); "
        "a field of depth above 1.",
        above=0.6,
        after_nimg=50_000,
    ),
)
