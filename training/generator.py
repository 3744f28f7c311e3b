# SPDX-License-Identifier: Apache-2.0
"""The generator: latent codes and cameras to pictures, by way of slots that each do one thing.

    z, c -> mapping -> ws                       styles
    ws -> field.prepare -> state                heavy, once per code
    c.camera -> rays -> renderer(warp, field)   features, depth, opacity
    -> post                                     background, raw picture, super-resolution

`c` is a mapping of named conditions, or one tensor of their columns side by side, as in EG3D. Field, warp and post get
them by name, beside the styles. It knows none of its slots in particular; builder.py fills them from a configuration.
In eval mode a picture is a function of its inputs alone. Nothing is kept between calls.
"""

from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from training import generator_checks as check
from training.adaptation import AbstractAdaptation
from training.camera_rays import rays
from training.cameras import camera_from_label
from training.conditions import Conditions, Widths, split
from training.fields.base import AbstractField
from training.model_config import GeneratorConfig
from training.networks.mapping import MappingNetwork, truncate
from training.networks.noise import AbstractNoise, ConstantNoise, FreshNoise, NoNoise
from training.post import AbstractPost
from training.rendering.base import AbstractRenderer, Rays, Scene
from training.rendering.draws import AbstractDraws, Drawn, MidCell
from training.types import Codes, Rendering
from training.warps.base import AbstractWarp


@final
class Randomness:
    """Keys the random numbers of pictures: by a seed, by what they are for, and by the index of each image."""

    def __init__(self, seed: int, purpose: str, indices: Int64[Tensor, " batch"]) -> None:
        self.noise = FreshNoise(seed, f"{purpose}/noise", indices)
        self.draws = Drawn(seed, f"{purpose}/rays", indices)

    @staticmethod
    def fresh(ws: Tensor) -> "Randomness":
        """From PyTorch's own generator, for callers who count no images."""
        return Randomness(int(torch.randint(2**62, ()).item()), "fresh", torch.arange(len(ws), device=ws.device))


class Exposure(NamedTuple):
    """What rays of pictures have met: a negative, which `Generator.develop` makes pictures of, before any backdrop."""

    features: Float[Tensor, "batch features size size"]
    depth: Float[Tensor, "batch 1 size size"]  # Along the rays.
    opacity: Float[Tensor, "batch 1 size size"]
    codes: Codes
    noise: AbstractNoise


@final
class Generator(nn.Module):
    """Calling convention of EG3D: `mapping`, `synthesis`, `sample`, `sample_mixed`, and the call itself.

    What callers pass is checked by hand, so that a mistake is told in a sentence.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        *,
        conditions: Widths,  # Begin with "camera", the 25-number label.
        mapping_network: MappingNetwork,
        field: AbstractField,
        num_ws: int,
        warp: AbstractWarp,
        renderer: AbstractRenderer,
        post: AbstractPost,
        adaptation: AbstractAdaptation | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.z_dim = config.mapping.z_dim
        self.w_dim = config.mapping.w_dim
        self.conditions = dict(conditions)
        self.c_dim = sum(self.conditions.values())
        self.num_ws = num_ws
        self.img_resolution = config.resolution
        self.img_channels = config.channels
        self.mapping_network = mapping_network
        self.field = field
        self.warp = warp
        self.renderer = renderer
        self.post = post
        self.adaptation = adaptation

    @property
    def neural_rendering_resolution(self) -> int:
        return self.config.renderer.resolution

    @property
    def rendering_kwargs(self) -> dict[str, Any]:
        """What scripts written for EG3D look up. A copy: to render differently, change the configuration."""
        marcher = self.config.renderer
        return {
            "image_resolution": self.config.resolution,
            "ray_start": "auto" if marcher.near is None else marcher.near,
            "ray_end": "auto" if marcher.far is None else marcher.far,
            "depth_resolution": marcher.num_coarse,
            "depth_resolution_importance": marcher.num_fine,
            "box_warp": self.config.field.box_size,
            "disparity_space_sampling": marcher.spacing == "disparity",
            "white_back": marcher.empty == "white",
            "c_scale": self.config.mapping.camera_scale,
            "avg_camera_radius": self.config.camera_radius,
            "avg_camera_pivot": list(self.config.camera_pivot),
        }

    # ------------------------------------------------------------------------------------------------------------------
    # Codes.

    def mapping(
        self,
        z: Tensor,  # [N, z_dim]
        c: Tensor | Conditions,  # [N, c_dim]
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Float[Tensor, "batch num_ws w_dim"]:
        """Styles of all layers, drawn towards the mean by truncation."""
        check.truncation(truncation_psi, truncation_cutoff)
        z, c = check.codes(self, z), check.labels(self, c, len(z))
        w = self.mapping_network(z, c * self.config.mapping.camera_scale)
        ws = w[:, None].expand(-1, self.num_ws, -1)
        return truncate(ws, self.mapping_network.w_avg, truncation_psi, truncation_cutoff)

    def planes(self, ws: Tensor, noise_mode: str | None = None) -> Tensor:
        """The field's prepared state, to be kept and passed back to `synthesis` for further views."""
        ws = check.styles(self, ws)
        return self.field.prepare({"ws": ws}, self._noise(noise_mode, ws, None))

    def backdrop(self, ws: Tensor, noise_mode: str | None = None) -> Tensor | None:
        """What stands behind the head of these styles, to be kept and passed back to `synthesis`. None without one."""
        ws = check.styles(self, ws)
        return self.post.backdrop({"ws": ws}, self._noise(noise_mode, ws, None))

    # ------------------------------------------------------------------------------------------------------------------
    # Pictures.

    def synthesis(
        self,
        ws: Tensor,  # [N, num_ws, w_dim]
        c: Tensor | Conditions,  # [N, c_dim]
        neural_rendering_resolution: int | None = None,
        noise_mode: str | None = None,  # "const", "random", "none"; None: const in eval mode, random in train mode.
        ws_bcg: Tensor | None = None,  # Styles of the backgrounds, or of one for all: [N or 1, num_ws, w_dim].
        planes: Tensor | None = None,
        *,
        backdrop: Tensor | None = None,  # What G.backdrop returned, for each picture or for all.
        randomness: Randomness | None = None,
        density_noise: float = 0.0,
    ) -> Rendering:
        """Pictures of styles under conditions that are taken as they are."""
        ws = check.styles(self, ws)
        check.background(self, ws_bcg, backdrop, len(ws))
        exposure = self.expose(
            ws, c, neural_rendering_resolution, noise_mode, planes, randomness=randomness, density_noise=density_noise
        )
        return self.develop(exposure, ws_bcg, backdrop=backdrop)

    def expose(
        self,
        ws: Tensor,  # [N, num_ws, w_dim]
        c: Tensor | Conditions,  # [N, c_dim]
        neural_rendering_resolution: int | None = None,
        noise_mode: str | None = None,
        planes: Tensor | None = None,
        *,
        randomness: Randomness | None = None,
        density_noise: float = 0.0,
    ) -> Exposure:
        """The first half of `synthesis`: what rays meet, from which pictures before any background can be made."""
        ws = check.styles(self, ws)
        conditions = split(check.labels(self, c, len(ws)), self.conditions)
        check.cameras(self, conditions["camera"])
        size = self.neural_rendering_resolution
        if neural_rendering_resolution is not None:
            size = check.resolution(neural_rendering_resolution)
        if randomness is None and self.training:
            randomness = Randomness.fresh(ws)
        noise = self._noise(noise_mode, ws, randomness)
        codes = {"ws": ws, **conditions}
        state = self.field.prepare(codes, noise) if planes is None else check.planes(self, planes, len(ws))
        draws: AbstractDraws = MidCell() if randomness is None else randomness.draws

        origins, directions = rays(camera_from_label(conditions["camera"]), size)
        scene = Scene(self.field, state, self.warp, codes)
        seen = self.renderer.render(scene, Rays(origins, directions), draws, density_noise)

        # Rays are listed row by row, so the features are a picture in channels-last memory as they stand.
        features = seen.features.unflatten(1, (size, size)).permute(0, 3, 1, 2)
        depth, opacity = (x.unflatten(1, (size, size))[:, None] for x in (seen.depth, seen.opacity))
        return Exposure(features, depth, opacity, codes, noise)

    def develop(self, exposure: Exposure, ws_bcg: Tensor | None = None, *, backdrop: Tensor | None = None) -> Rendering:
        """The second half of `synthesis`: the background behind, colours, super-resolution."""
        features, depth, opacity, codes, noise = exposure
        ws_bcg, backdrop = check.background(self, ws_bcg, backdrop, len(features))
        if ws_bcg is not None:
            codes = {**codes, "ws_bcg": ws_bcg}
        behind = self.post.backdrop(codes, noise) if backdrop is None else backdrop
        image, raw = self.post(features, opacity, behind, codes, noise)
        return Rendering(image=image, image_raw=raw, image_depth=depth, image_mask=opacity * 1.002 - 0.001)

    def forward(
        self,
        z: Tensor,  # [N, z_dim]
        c: Tensor | Conditions,  # [N, c_dim]
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        neural_rendering_resolution: int | None = None,
        noise_mode: str | None = None,
    ) -> Rendering:
        """Pictures of codes, conditioned on and seen under one `c`, after the learned correction of it."""
        check.truncation(truncation_psi, truncation_cutoff)
        z, c = check.codes(self, z), check.labels(self, c, len(z))
        seen = given = c
        if self.adaptation is not None:
            seen, _ = self.adaptation(z, given, truncation_psi, truncation_cutoff)
            given = seen if self.adaptation.precedes_mapping else given
        ws = self.mapping(z, given, truncation_psi, truncation_cutoff)
        return self.synthesis(ws, seen, neural_rendering_resolution, noise_mode)

    # ------------------------------------------------------------------------------------------------------------------
    # Points.

    def sample(
        self,
        points: Tensor,  # [N, M, 3]
        directions: Tensor | None,
        z: Tensor,  # [N, z_dim]
        c: Tensor | Conditions,  # [N, c_dim]
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        noise_mode: str | None = None,
    ) -> dict[str, Tensor]:
        """Raw density "sigma" [N, M, 1] and features "rgb" at canonical points. Directions play no part."""
        ws = self.mapping(z, c, truncation_psi, truncation_cutoff)
        return self.sample_mixed(points, directions, ws, noise_mode)

    def sample_mixed(
        self,
        points: Tensor,  # [N, M, 3]
        directions: Tensor | None,
        ws: Tensor,  # [N, num_ws, w_dim]
        noise_mode: str | None = None,
        planes: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The same of given styles."""
        ws = check.styles(self, ws)
        points = check.points(self, points, len(ws))
        state = self.planes(ws, noise_mode) if planes is None else check.planes(self, planes, len(ws))
        density, features = self.field.query(state, points)
        return {"sigma": density[..., None], "rgb": features}

    # ------------------------------------------------------------------------------------------------------------------

    def _noise(self, mode: str | None, ws: Tensor, randomness: Randomness | None) -> AbstractNoise:
        if mode is None:
            mode = "random" if self.training else "const"
        if mode == "random":
            return (randomness or Randomness.fresh(ws)).noise
        if mode not in ("const", "none"):
            raise ValueError(f'noise_mode is "const", "random" or "none", not {mode!r}.')
        return ConstantNoise() if mode == "const" else NoNoise()
