# SPDX-License-Identifier: Apache-2.0
"""HeadNet's training is a function of its data and seed, however often it is stopped."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner

from dataset_tool import main as dataset_tool
from metrics.headnet.augmentation import augmented
from metrics.headnet.evaluate import main as evaluate
from metrics.headnet.losses import contrast
from metrics.headnet.network import HeadNet
from metrics.headnet.record import read_record
from metrics.headnet.train import main as train_command
from metrics.headnet.training import VIEWS, Plan, calibrate, order, pace, train
from metrics.headnet.weights import load_headnet
from torch_utils.checkpoint import CheckpointError

PLAN = Plan(steps=2, batch=8, seed=3)


class StopError(Exception):
    """As a kill between two steps."""


def test_every_epoch_has_every_identity_once_from_several_sides():
    identity = torch.arange(80) // 8 + 5
    steps = [order(0, step, 8, identity) for step in range(10)]  # 2 of 10 identities each.
    assert all(len(rows.unique()) == 2 * VIEWS for rows in steps)
    shown = torch.stack([identity[rows].view(2, VIEWS) for rows in steps])
    assert (shown == shown[..., :1]).all()
    first, second = shown[:5, :, 0].flatten(), shown[5:, :, 0].flatten()
    assert torch.equal(first.sort().values, identity.unique())
    assert torch.equal(second.sort().values, identity.unique())
    assert not torch.equal(first, second)


def test_a_batch_may_be_larger_than_the_set_and_views_be_few():
    rows = order(0, 3, 40, torch.tensor([1, 1, 2, 2, 2]))
    assert sorted(rows.unique().tolist()) == [0, 1, 2, 3, 4]


def test_the_pace_rises_from_nothing_and_ends_at_nothing():
    paces = [pace(share / 100) for share in range(101)]
    assert paces[0] == 0
    assert max(paces) == paces[5] == 1
    assert paces[100] == pytest.approx(0)
    assert sorted(paces[5:], reverse=True) == paces[5:]


def test_pictures_and_masks_are_moved_alike(heads):
    masks = heads.mask.float() / 255
    out = augmented(masks.expand(-1, 3, -1, -1) * 2 - 1, masks, torch.Generator().manual_seed(1))
    # Where the mask is, the picture was white, whatever has become of its colours.
    white = out.image.mean(dim=1, keepdim=True)
    inside = (white * out.mask).sum((1, 2, 3)) / out.mask.sum((1, 2, 3))
    outside = (white * (1 - out.mask)).sum((1, 2, 3)) / (1 - out.mask).sum((1, 2, 3))
    assert (inside - outside).min() > 0.8
    assert out.is_mirrored.float().mean().sub(0.5).abs() < 0.25


def test_the_contrast_is_what_its_formula_says():
    vectors = F.normalize(torch.randn(6, 5, generator=torch.Generator().manual_seed(1)), dim=1)
    identity = torch.tensor([0, 0, 0, 1, 1, 2])
    terms = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        exponents = {j: math.exp(float(vectors[i] @ vectors[j]) / 0.1) for j in others}
        same = [-math.log(exponents[j] / sum(exponents.values())) for j in others if identity[j] == identity[i]]
        terms.append(sum(same) / len(same) if same else 0.0)
    assert float(contrast(vectors, identity)) == pytest.approx(sum(terms) / 6, rel=1e-4)


def test_heads_seen_once_are_no_training_set(heads, tmp_path):
    once = heads.rows(torch.arange(0, 72, 6))
    with pytest.raises(ValueError, match="views-per-identity"):
        train(once, PLAN, tmp_path / "state.safetensors", {})


def test_features_of_the_set_that_calibrates_have_mean_zero_and_deviation_one(heads):
    net = HeadNet().eval()
    calibrate(net, heads)
    features = net.features(heads.image).detach()
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(net.num_features), rtol=0, atol=1e-3)
    assert float(features.std(dim=0).median()) == pytest.approx(1, abs=1e-3)


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(heads, tmp_path, monkeypatch):
    net, done = train(heads, PLAN, tmp_path / "whole.safetensors", {})
    assert done.step == 2

    monkeypatch.setattr("metrics.headnet.training._SAVE_EVERY", 1)
    with monkeypatch.context() as patch:
        patch.setattr("metrics.headnet.training.order", _only_once())
        with pytest.raises(StopError):
            train(heads, PLAN, tmp_path / "stopped.safetensors", {})
    again, _ = train(heads, PLAN, tmp_path / "stopped.safetensors", {})
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def _only_once():
    calls = []

    def order_once(*args):
        if calls:
            raise StopError
        calls.append(args)
        return order(*args)

    return order_once


def test_another_plan_or_other_data_do_not_go_on_from_a_state(heads, tmp_path):
    state = tmp_path / "state.safetensors"
    train(heads, dataclasses.replace(PLAN, steps=1), state, {"num": 72})
    for plan, data in ((dataclasses.replace(PLAN, steps=1, seed=4), 72), (dataclasses.replace(PLAN, steps=1), 71)):
        with pytest.raises(CheckpointError, match="another plan or other data"):
            train(heads, plan, state, {"num": data})


def test_the_commands_make_heads_and_train_and_refuse_to_measure_by_them(tmp_path):
    data = {name: tmp_path / f"{name}.zip" for name in ("img", "seg", "truth")}
    made = ["--num=12", "--views-per-identity=3", "--seed=1", "--no-depth", "--workers=1"]
    made += [f"--{name}_dest={path}" for name, path in data.items()]
    places = [f"--{name}_data={path}" for name, path in data.items()]
    wanted = [*places, f"--outdir={tmp_path}/net", "--steps=2", "--batch=8"]
    for command, args in ((dataset_tool, ["synth", *made]), (train_command, wanted)):
        result = CliRunner().invoke(command, args, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    net = load_headnet(path=tmp_path / "net" / "headnet.safetensors")
    assert read_record(tmp_path / "net" / "headnet.json")["digest"] == net.digest

    for folder, words in (([f"--net={tmp_path}/net"], "its heads were seen"), ([], "say little")):
        result = CliRunner().invoke(evaluate, [*places, *folder])
        assert result.exit_code != 0
        assert words in " ".join(result.output.split())
