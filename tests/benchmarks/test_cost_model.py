# SPDX-License-Identifier: Apache-2.0
"""The cost model against closed forms: operations, bytes, communication, and what follows from them."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import cost_model
from benchmarks.machines import ASSUMED, H100, MACHINES, V100
from benchmarks.op_costs import Costs, Op, costs_of_step, metered
from configs import resolve
from dnnlib.config_paths import replace
from torch_utils.ops import native
from torch_utils.ops.trigrid_decode import trigrid_decode
from training.builder import build_critic, build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera


@pytest.fixture(scope="module")
def debug() -> Costs:
    return costs_of_step(replace(resolve("panohead_debug"), **{"loss.density": 0.25}), 4)


def test_operations_of_a_stack_of_convolutions_are_those_of_the_closed_form() -> None:
    stack = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, stride=2, padding=1))
    x = torch.randn(2, 4, 16, 16)
    forward = 2 * 2 * 9 * (16 * 16 * 4 * 8 + 8 * 8 * 8 * 6)
    with torch.no_grad():
        assert sum(op.flops for op in metered(lambda: stack(x))) == forward
    first = 2 * 2 * 9 * 16 * 16 * 4 * 8  # No gradient of the input.
    assert sum(op.flops for op in metered(lambda: stack(x).sum().backward())) == 3 * forward - first


def test_bytes_are_those_of_operands_and_results_and_views_have_none() -> None:
    x = torch.zeros(10, 100)
    (op,) = metered(lambda: F.relu(x.T[:50]))
    assert op.bytes == 2 * 4 * 500
    (op,) = metered(lambda: x.expand(7, 10, 100) + 1.0)
    assert op.bytes == x.nbytes + 7 * x.nbytes


def test_operations_in_16_bits_are_known() -> None:
    a = torch.zeros(3, 4)
    assert [op.is_half for op in metered(lambda: a @ a.T)] == [False]
    b = a.bfloat16()
    assert [(op.is_half, op.flops) for op in metered(lambda: b @ b.T)] == [(True, 2 * 3 * 3 * 4)]


@pytest.mark.parametrize(("depth", "planar", "texels"), [(3, False, 24), (1, True, 12)])
def test_sampling_reads_its_texels_whatever_computes_it(depth: int, planar: bool, texels: int) -> None:
    planes, points = torch.randn(1, 3, depth, 8, 32, 32), torch.rand(1, 1000, 3) - 0.5
    layers = [torch.randn(size) for size in ((4, 8), (4,), (3, 4), (3,))]
    ways = {}
    for way in ("reference", None):
        with native.forced(way) if way else torch.no_grad():
            ops = metered(lambda: trigrid_decode(planes, points, *layers, 1.0, planar=planar))
        ways[way] = sum(op.bytes for op in ops if "sampl" in op.name or "decode" in op.name)
    for moved in ways.values():
        assert moved >= texels * 1000 * 8 * 4
    assert ways[None] < 1.5 * texels * 1000 * 8 * 4


def test_operations_of_the_decoder_are_those_of_its_products() -> None:
    shapes = ((1, 3, 1, 8, 4, 4), (1, 50, 3), (16, 8), (16,), (9, 16), (9,))
    tensors = [torch.randn(size) for size in shapes]
    products = 2 * 50 * (16 * 8 + 9 * 16)
    assert sum(op.flops for op in metered(lambda: trigrid_decode(*tensors, 1.0))) == products
    trained = [x.requires_grad_() for x in tensors]
    backward = metered(lambda: trigrid_decode(*trained, 1.0)[1].sum().backward())
    # Gradients of inputs and of weights, and the hidden layer once more.
    assert sum(op.flops for op in backward) == 3 * products + 2 * 50 * 16 * 8


def test_phases_count_as_often_as_they_are_due(debug: Costs) -> None:
    assert debug.due == {"G": 1, "D": 1, "R1": 1 / 16, "density": 1 / 4}
    calls = {phase: len(ops) for phase, ops in debug.phases.items()}
    per_step = calls["G"] + calls["D"] + calls["R1"] / 16 + calls["density"] / 4
    assert debug.images * debug.per_image(lambda _: 1.0) == pytest.approx(per_step)


@pytest.mark.slow
def test_an_image_has_the_same_operations_in_every_batch(debug: Costs) -> None:
    two = costs_of_step(replace(resolve("panohead_debug"), **{"loss.density": 0.25}), 2)
    for phase in debug.phases:
        flops = [sum(op.flops for op in costs.phases[phase]) / costs.images for costs in (debug, two)]
        assert flops[0] == pytest.approx(flops[1], rel=0.02)


def test_backward_passes_cost_what_they_must(debug: Costs) -> None:
    flops = {phase: sum(op.flops for op in ops) for phase, ops in debug.phases.items()}
    G = _forward_flops(debug.images, "G")
    D = _forward_flops(debug.images, "D")
    # First layers have a gradient less; styles of backgrounds and the decoder's hidden layer come on top.
    assert flops["G"] == pytest.approx(3 * G + 2 * D, rel=0.05)  # Pictures; the critic's gradient of its input.
    assert flops["D"] == pytest.approx(
        G + 6 * D, rel=0.05
    )  # Pictures without gradients; the critic of fakes and reals.


def _forward_flops(images: int, which: str) -> int:
    config = resolve("panohead_debug")
    c = label_from_camera(camera_on_sphere(*torch.full((2, images), torch.pi / 2))).float()
    with torch.no_grad():
        if which == "G":
            G = build_generator(config.generator).train()
            return sum(op.flops for op in metered(lambda: G(torch.zeros(images, G.z_dim), c)))
        D = build_critic(config.critic, resolution=config.generator.resolution)
        sizes = {"image": (3, 32), "image_raw": (3, 16), "image_mask": (1, 16)}
        shown = {name: torch.zeros(images, n, size, size) for name, (n, size) in sizes.items()}
        return sum(op.flops for op in metered(lambda: D(shown, c)))


def test_parameters_are_those_of_the_networks(debug: Costs) -> None:
    config = resolve("panohead_debug")
    with torch.device("meta"):
        G, D = build_generator(config.generator), build_critic(config.critic, resolution=config.generator.resolution)
    assert debug.num_generator == sum(p.numel() for p in G.parameters())
    assert debug.num_critic == sum(p.numel() for p in D.parameters())


def test_gradients_that_are_sent_follow_from_the_parameters(debug: Costs) -> None:
    once = 4 * (debug.num_generator * (1 + 1 / 4) + debug.num_critic * (1 + 1 / 16))
    assert cost_model.sent_bytes(debug, 1) == 0
    assert cost_model.sent_bytes(debug, 2) == pytest.approx(once / debug.images)  # Half of it out, half of it on.
    assert cost_model.sent_bytes(debug, 512) == pytest.approx(2 * once / debug.images, rel=0.01)


def test_sums_over_nodes_take_the_network_too() -> None:
    within = cost_model.all_reduce_s(10**9, V100, 8)
    assert cost_model.all_reduce_s(10**9, V100, 1) == 0
    assert within == pytest.approx(2 * 7 / 8 * 1e9 / (150e9 * ASSUMED.link_share) + 14 * ASSUMED.hop_us * 1e-6)
    between = cost_model.all_reduce_s(10**9, V100, 16) - within
    assert between == pytest.approx(1e9 / (50e9 * ASSUMED.network_share) + 2 * ASSUMED.hop_us * 1e-6)


def test_an_operator_takes_as_long_as_the_slower_of_its_limits() -> None:
    def taken(op: Op, tf32: bool = False) -> float:
        return cost_model.op_s(op, H100, tf32, ASSUMED)

    product, copy = Op("mm", 10**12, 0, False), Op("copy_", 0, 10**9, False)
    assert taken(product) == pytest.approx(1 / (67 * 0.7))
    assert taken(product, tf32=True) == pytest.approx(1 / (494 * 0.4))
    assert taken(product._replace(is_half=True)) == pytest.approx(1 / (989 * 0.4))
    assert taken(copy) == pytest.approx(1 / (3350 * 0.75))
    assert taken(product._replace(bytes=10**9)) == taken(product)


def test_tf32_changes_nothing_where_there_is_none(debug: Costs) -> None:
    assert cost_model.step(debug, V100, 8, tf32=True) == cost_model.step(debug, V100, 8, tf32=False)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_more_gpus_are_faster_but_not_more_so_than_they_are_many(debug: Costs, machine) -> None:
    seconds = [cost_model.step(debug, machine, count, tf32=False).kimg_s for count in cost_model.COUNTS]
    for few, many in itertools.pairwise(seconds):
        assert few / 2 <= many < few


def test_a_small_network_waits_for_the_host(debug: Costs) -> None:
    calls = sum(due * len(debug.phases[phase]) for phase, due in debug.due.items())
    step = cost_model.step(debug, H100, 1, tf32=False)
    assert step.compute_s == step.host_s == pytest.approx(calls * ASSUMED.launch_us * 1e-6)
    own = cost_model.step(debug, H100._replace(has_host=False), 1, tf32=False)
    assert own.compute_s > own.host_s  # As on a CPU, which calls and computes.


def test_predictions_have_a_row_for_every_machine_and_precision(debug: Costs) -> None:
    made = cost_model.predictions(dict.fromkeys(cost_model.PRECISIONS, debug))
    rows = cost_model.predictions_table(made).splitlines()[2:]
    assert len(rows) == 3 * len(MACHINES) - 1  # V100 has no tf32.
    assert all(row.count("|") == len(cost_model.COUNTS) + 4 for row in rows)
