# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import Tensor

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_critic, small_generator
from training.builder import build_critic, build_generator
from training.cameras import camera_from_label, label_from_camera, translate
from training.generator import Generator, Randomness
from training.model_config import CriticConfig, GeneratorConfig
from training.networks.noise import ConstantNoise


@pytest.fixture(scope="module")
def G() -> Generator:  # noqa: N802, as users call it
    return small_generator()


def same(a: dict[str, Tensor], b: dict[str, Tensor], atol: float = 1e-5) -> bool:
    return all(torch.allclose(a[key], b[key], atol=atol) for key in ("image", "image_raw", "image_depth", "image_mask"))


@torch.no_grad()
def test_a_picture_in_eval_mode_is_a_function_of_its_inputs(G: Generator) -> None:
    first = G(codes(2), labels(0.0, 2.0))
    torch.rand(7)
    again = G(codes(2), labels(0.0, 2.0))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert first["image"].shape == (2, 3, 32, 32)
    assert first["image_raw"].shape == (2, 3, 8, 8)
    assert first["image_depth"].shape == first["image_mask"].shape == (2, 1, 8, 8)


@torch.no_grad()
def test_a_picture_does_not_depend_on_its_batch(G: Generator) -> None:
    z, c = codes(3), labels(0.0, 2.0, -1.0)
    together = G(z, c)
    alone = [G(z[i : i + 1], c[i : i + 1]) for i in range(3)]
    assert same(together, {key: torch.cat([one[key] for one in alone]) for key in together})


@torch.no_grad()
def test_random_pictures_follow_from_the_image_index() -> None:
    G = small_generator().train()
    z, c = codes(3), labels(0.0, 2.0, -1.0)
    indices = torch.tensor([5, 6, 7])

    def picture(part: slice, seed: int = 1) -> dict[str, Tensor]:
        randomness = Randomness(seed, "main", indices[part])
        return G.synthesis(G.mapping(z[part], c[part]), c[part], randomness=randomness, density_noise=0.1)

    whole = picture(slice(0, 3))
    assert same({k: v[2:] for k, v in whole.items()}, picture(slice(2, 3)))
    assert not same(whole, picture(slice(0, 3), seed=2), atol=1e-3)


@torch.no_grad()
def test_training_pictures_follow_pytorchs_seed() -> None:
    G = small_generator().train()
    z, c = codes(1), labels(0.4)
    torch.manual_seed(3)
    first, second = G(z, c), G(z, c)
    torch.manual_seed(3)
    assert same(G(z, c), first)
    assert not same(second, first, atol=1e-3)


@torch.no_grad()
def test_planes_can_be_kept_for_further_views(G: Generator) -> None:
    c = labels(0.3, 2.5)
    ws = G.mapping(codes(2), c)
    assert same(G.synthesis(ws, c, planes=G.planes(ws)), G.synthesis(ws, c))


@torch.no_grad()
def test_chunks_of_rays_give_the_same_picture(G: Generator) -> None:
    config = replace(CONFIG, **{"renderer.resolution": 64, "renderer.num_coarse": 40, "renderer.memory_budget_mb": 1})
    chunked, whole = (small_generator(c) for c in (config, replace(config, **{"renderer.memory_budget_mb": 4000})))
    z, c = codes(2), labels(0.1, 1.0)
    assert same(chunked(z, c), whole(z, c))


@torch.no_grad()
def test_the_learned_shift_moves_the_picture_as_a_moved_camera(G: Generator) -> None:
    z, c = codes(2), labels(0.1, 2.0)
    shift_world = G.adaptation(z, c)[1]
    assert shift_world.norm(dim=1).min() > 1e-3
    moved = label_from_camera(translate(camera_from_label(c), shift_world))
    assert same(G(z, c), G.synthesis(G.mapping(z, c), moved))


@torch.no_grad()
@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_a_background_is_seen_exactly_where_the_head_is_not(opacity: float) -> None:
    G = small_generator(replace(CONFIG, raw="features"))
    codes_bcg = {"ws": G.mapping(codes(1), labels(0.3)), "ws_bcg": G.mapping(codes(1, seed=9), labels(0.3))}
    head = torch.rand(1, 8, 16, 16)
    backdrop = G.post.backdrop(codes_bcg, ConstantNoise())
    _, raw = G.post(head, torch.full((1, 1, 16, 16), opacity), backdrop, codes_bcg, ConstantNoise())
    behind = G.post.background(codes_bcg["ws_bcg"][:, : G.post.background.num_ws], ConstantNoise())
    assert torch.allclose(raw, (head + (1 - opacity) * behind)[:, :3], atol=1e-6)


@torch.no_grad()
def test_a_prepared_backdrop_is_the_one_that_would_be_drawn(G: Generator) -> None:
    c = labels(0.3, 2.0)
    ws = G.mapping(codes(2), c)
    assert same(G.synthesis(ws, c, backdrop=G.backdrop(ws)), G.synthesis(ws, c))
    other = G.mapping(codes(1, seed=9), c[:1])
    assert same(G.synthesis(ws, c, backdrop=G.backdrop(other)), G.synthesis(ws, c, ws_bcg=other))


@torch.no_grad()
def test_truncation_draws_towards_the_mean(G: Generator) -> None:
    z, c = codes(4), labels(0.0, 1.0, 2.0, 3.0)
    full, none, half = (G.mapping(z, c, psi) for psi in (1.0, 0.0, 0.5))
    assert torch.equal(none, G.mapping_network.w_avg.expand_as(none))
    assert torch.allclose(half, (full + none) / 2, atol=1e-6)
    cut = G.mapping(z, c, 0.5, 3)
    assert torch.equal(cut[:, 3:], full[:, 3:])
    assert torch.equal(cut[:, :3], half[:, :3])


@torch.no_grad()
def test_densities_of_points_are_those_of_the_planes(G: Generator) -> None:
    z, c, points = codes(2), labels(0.0, 1.0), torch.rand(2, 7, 3) - 0.5
    ws = G.mapping(z, c)
    answer = G.sample(points, None, z, c)
    assert answer["sigma"].shape == (2, 7, 1)
    assert torch.equal(answer["sigma"], G.sample_mixed(points, None, ws, planes=G.planes(ws))["sigma"])


@torch.no_grad()
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_gives_nearly_the_same_picture(precision: str) -> None:
    changes = {"precision": precision, "clamp": 256.0}
    changes |= {f"superresolution.{key}": value for key, value in changes.items()}
    half, full = small_generator(replace(CONFIG, **changes)), small_generator()
    a, b = (model(codes(2), labels(0.0, 2.0)) for model in (half, full))
    for key in ("image", "image_raw", "image_mask"):
        assert a[key].dtype == torch.float32
        assert (a[key] - b[key]).abs().max() < 0.05 * b[key].abs().max(), key


@pytest.mark.parametrize("resolution", [64, 128, 256, 1024])
def test_any_power_of_two_can_be_built(resolution: int) -> None:
    config = replace(CONFIG, resolution=resolution, **{"superresolution.in_resolution": resolution // 4})
    with torch.no_grad():
        out = build_generator(config).eval()(codes(1), labels(0.0))
        critic = build_critic(CriticConfig(channel_base=64, channel_max=8), resolution=resolution)
        assert critic(out, labels(0.0)).shape == (1, 1)
    assert out["image"].shape[-1] == resolution


def test_first_order_gradients_agree_with_float64() -> None:
    G32, D32 = small_generator(), small_critic()
    G64, D64 = small_generator().double(), small_critic().double()
    z, c = codes(2), labels(0.2, 2.8)

    def gradients(G: Generator, D: torch.nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        D(G(z.to(dtype), c.to(dtype)), c.to(dtype)).sum().backward()
        return {name: p.grad for name, p in G.named_parameters() if p.grad is not None}

    low, high = gradients(G32, D32, torch.float32), gradients(G64, D64, torch.float64)
    assert low.keys() == high.keys()
    assert len(high) > 60
    for name, gradient in high.items():
        assert gradient.norm() > 0, name
        assert (low[name] - gradient).norm() < 2e-3 * gradient.norm() + 1e-7, name


def test_gradients_of_the_generator_agree_with_finite_differences() -> None:
    G = small_generator().double()
    z, c = codes(1).double(), labels(0.4).double()
    weights = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()

    def loss() -> Tensor:
        return (G(z, c)["image"] * weights).sum()

    parameters = {
        "planes": G.field.synthesis.blocks[1].conv0.weight,
        "decoder": G.field.decoder.hidden.weight,
        "shift": G.adaptation.mapping.layers[-1].bias,
        "background": G.post.background.blocks[1].conv1.weight,
        "superresolution": G.post.superresolution.block0.conv0.affine.weight,
    }
    gradients = torch.autograd.grad(loss(), list(parameters.values()))
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        step = 1e-6 * gradient / gradient.norm()
        with torch.no_grad():
            parameter.add_(step)
            above = loss()
            parameter.sub_(2 * step)
            below = loss()
            parameter.add_(step)
        # Where the second pass looks follows from the first without a gradient, so differences see a little more.
        assert (above - below).item() / 2e-6 == pytest.approx(gradient.norm().item(), rel=0.03), name


def test_r1_gradients_agree_with_finite_differences() -> None:
    D = small_critic().double()
    c = labels(0.2, 2.8).double()
    torch.manual_seed(0)
    shown = {
        "image": torch.randn(2, 3, 32, 32).double().requires_grad_(),
        "image_raw": torch.randn(2, 3, 8, 8).double().requires_grad_(),
        "image_mask": torch.rand(2, 1, 8, 8).double().requires_grad_(),
    }

    def penalty() -> Tensor:
        gradients = torch.autograd.grad(D(shown, c).sum(), list(shown.values()), create_graph=True)
        return sum(gradient.square().sum() for gradient in gradients)

    for layer in (D.tower.blocks[0].from_image, D.tower.blocks[1].conv1, D.head.conv, D.head.fc):
        (gradient,) = torch.autograd.grad(penalty(), layer.weight)
        direction = gradient / gradient.norm()
        with torch.no_grad():
            original = layer.weight.clone()
            step = 1e-6
            layer.weight += step * direction
        above = penalty().item()
        with torch.no_grad():
            layer.weight.copy_(original - step * direction)
        below = penalty().item()
        with torch.no_grad():
            layer.weight.copy_(original)
        assert (above - below) / (2 * step) == pytest.approx(gradient.norm().item(), rel=1e-4)


def _config(**changes: object) -> GeneratorConfig:
    return replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda G: G.mapping(torch.randn(1, 9), labels(0.0)), r"z must be \[any, 8\]"),
        (lambda G: G.mapping(torch.randn(1, 8), torch.zeros(1, 24)), r"c must be \[1, 25\]"),
        (lambda G: G.mapping(torch.randn(2, 8), labels(0.0)), r"c must be \[2, 25\]"),
        (lambda G: G.mapping(torch.ones(1, 8, dtype=torch.int64), labels(0.0)), "floating point"),
        (lambda G: G.mapping(torch.full((1, 8), math.nan), labels(0.0)), "z has numbers that are not finite"),
        (lambda G: G(codes(1), labels(0.0) * math.inf), "c has numbers that are not finite"),
        (lambda G: G.synthesis(torch.randn(1, 3, 12), labels(0.0)), "ws must be"),
        (lambda G: G.synthesis(G.mapping(codes(1), labels(0.0)), torch.zeros(1, 25)), "focal length 0"),
        (lambda G: G.synthesis(G.mapping(codes(1), labels(0.0)), labels(0.0) * 0.1 + 1e-3), "inside the box"),
        (lambda G: G.sample_mixed(torch.zeros(1, 5, 2), None, G.mapping(codes(1), labels(0.0))), "points must be"),
        (lambda G: G(codes(1), labels(0.0), noise_mode="constant"), "noise_mode"),
        (lambda G: G.mapping(codes(1).to("meta"), labels(0.0)), "is on meta"),
    ],
)
def test_bad_input_is_told_in_a_sentence(G: Generator, call, message: str) -> None:
    with pytest.raises(ValueError, match=message), torch.no_grad():
        call(G)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 96}, "choose 64 or 128"),
        ({"field.resolution": 48}, "power of two"),
        ({"renderer.near": 3.5}, "near"),
        ({"superresolution.in_resolution": 32}, "enlarges 2 or 4 times"),
    ],
)
def test_a_generator_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_generator(_config(**changes))


def test_a_critic_names_what_it_lacks() -> None:
    D = small_critic()
    with pytest.raises(ValueError, match="image_mask"):
        D({"image": torch.zeros(2, 3, 32, 32), "image_raw": torch.zeros(2, 3, 8, 8)}, labels(0.0, 1.0))
    with pytest.raises(ValueError, match="32, 32"):
        D({"image": torch.zeros(2, 3, 16, 16), "image_raw": torch.zeros(2, 3, 8, 8), "image_mask": None}, labels(0.0))
