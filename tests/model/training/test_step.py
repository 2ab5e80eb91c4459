"""Training steps: exact resume, several processes, accumulation, stopping on bad numbers."""

from __future__ import annotations

import copy
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model.baseline_config import GanimationConfig, GanimationWeights, X2FaceConfig, X2FaceWeights
from model.checkpoint import checkpoint_path, load_checkpoint
from model.config import LossWeights, ModelConfig, TrainConfig
from model.data.batch import Batch, PreparedBatch
from model.data.loader import BatchDataset, batches
from model.data.sampler import BatchPlanner
from model.training.distributed import Processes, joined_processes
from model.training.run import Run, make_planner, train
from model.training.step import DivergenceError, Trainer, rate_share
from pipeline.errors import InputError
from pipeline.shards import open_dataset

TERMS = {
    "L_SV", "L_TV_V", "L_TV_wm", "L_TV_ww", "L_rec_w", "L_rec_o", "total",
    "mask_entropy", "warp_length", "merge_mean", "merge_least",
}  # fmt: skip
ALONE = Processes(0, 1, torch.device("cpu"))
SMALL = TrainConfig(
    steps=3,
    batch_size=4,
    frames_per_video=2,
    discriminator_steps=2,
    history_size=6,
    model=ModelConfig(image_size=32, base_channels=4),
    weights=LossWeights(perceptual=0.0),
)
X2FACE = {"network": "x2face", "weights": X2FaceWeights()}
KINDS = {
    "flnet": SMALL,
    "ganimation": replace(
        SMALL, network="ganimation", model=GanimationConfig(32, 4), weights=GanimationWeights(), decay_share=0.5
    ),
    "ganimation strong": replace(
        SMALL,
        network="ganimation",
        model=GanimationConfig(32, 4, condition_form="field"),
        weights=GanimationWeights(reconstruction=100.0),
    ),
    "x2face": replace(SMALL, **X2FACE, model=X2FaceConfig(32, 4), learning_rate=1e-3, decay_share=0.5, decay="tenth"),
    "x2face strong": replace(
        SMALL, **X2FACE, model=X2FaceConfig(32, 4, sources=5, identity_start=True, optimizer="adam")
    ),
}
NETWORKS = pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)


def run_of(folder: Path, dataset: Path, config: TrainConfig = SMALL, *, resume: bool = False, workers: int = 0) -> Run:
    return Run(folder, open_dataset(dataset), config, workers, resume)


def differences(first: Any, second: Any, place: str = "") -> list[str]:
    """Where two checkpoints differ."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), place
        return [line for key in first for line in differences(first[key], second[key], f"{place}/{key}")]
    if isinstance(first, (list, tuple)):
        assert len(first) == len(second), place
        pairs = zip(first, second, strict=True)
        return [line for i, (a, b) in enumerate(pairs) for line in differences(a, b, f"{place}/{i}")]
    equal = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
    return [] if equal else [place]


@NETWORKS
def test_a_run_stopped_and_gone_on_with_is_the_undisturbed_one(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: TrainConfig
) -> None:
    """Every tensor of the final checkpoints is equal, whatever the workers and the pictures drawn on the way."""
    five = replace(config, steps=5, checkpoint_every=100, picture_every=100)
    train(run_of(tmp_path / "whole", tiny_dataset, five), ALONE, None)
    stopped = replace(five, picture_every=1, checkpoint_every=2)
    monkeypatch.setattr(Trainer, "step", failing_after(3, Trainer.step))
    with pytest.raises(KeyboardInterrupt):
        train(run_of(tmp_path / "cut", tiny_dataset, stopped), ALONE, None)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()] == ["step-00000002.pt"]
    workers = 1 if config is SMALL else 0
    train(run_of(tmp_path / "cut", tiny_dataset, five, resume=True, workers=workers), ALONE, None)
    first = load_checkpoint(checkpoint_path(tmp_path / "whole", 5))
    second = load_checkpoint(checkpoint_path(tmp_path / "cut", 5))
    assert differences(first, second) == []
    if config is SMALL:
        assert first["history"]["pool"].shape == (6, 3, 32, 32)


def failing_after(count: int, step: Any) -> Any:
    """`Trainer.step`, killed when it is called for the last time."""
    done = []

    def killed(*args: Any) -> Any:
        done.append(step(*args))
        if len(done) == count:
            raise KeyboardInterrupt
        return done[-1]

    return killed


def test_a_step_moves_every_network_and_names_every_term(tiny_dataset: Path, tmp_path: Path) -> None:
    run = run_of(tmp_path, tiny_dataset)
    trainer = Trainer(SMALL, ALONE)
    networks = trainer.recipe.networks
    before = {(k, n): p.clone() for k, network in networks.items() for n, p in network.named_parameters()}
    source = batches(BatchDataset(make_planner(run, ALONE).plan), 0, 3, workers=0)
    losses = trainer.step(source)
    still = [
        f"{kind} {name}" for (kind, name), old in before.items() if torch.equal(old, networks[kind].get_parameter(name))
    ]
    assert still == []
    assert set(losses.checked()) == {*TERMS, "L_D", "L_adv"}
    assert len(trainer.recipe.history) == 4, "the generator step's images, and none of the discriminator's"
    assert next(source, None) is None, "two discriminator updates and one generator update take a batch each"


def test_without_the_adversarial_term_the_discriminator_rests(tiny_dataset: Path, tmp_path: Path) -> None:
    config = replace(SMALL, weights=LossWeights(perceptual=0.0, adversarial=0.0))
    trainer = Trainer(config, ALONE)
    discriminator = trainer.recipe.networks["discriminator"]
    before = [parameter.clone() for parameter in discriminator.parameters()]
    planner = make_planner(run_of(tmp_path, tiny_dataset, config), ALONE)
    losses = trainer.step(batches(BatchDataset(planner.plan), 0, 1, workers=0))
    assert set(losses.checked()) == TERMS
    assert len(trainer.recipe.history) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, discriminator.parameters(), strict=True))


def test_training_learns(tiny_dataset: Path, tmp_path: Path) -> None:
    config = replace(SMALL, learning_rate=2e-3, weights=LossWeights(perceptual=0.0, adversarial=0.0))
    trainer = Trainer(config, ALONE)
    planner = make_planner(run_of(tmp_path, tiny_dataset, config), ALONE)
    source = batches(BatchDataset(planner.plan), 0, 60, workers=0)
    curve = [trainer.step(source).checked()["L_rec_o"] for _ in range(60)]
    assert sum(curve[-10:]) < 0.85 * sum(curve[:10])


class ExactTrainer(Trainer):
    """In float64, so that what differs by more than 1e-9 differs by more than the processor's way of adding up."""

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        super().__init__(config, processes)
        for network in self.recipe.networks.values():
            network.double()

    def _prepare(self, batch: Batch) -> PreparedBatch:
        values = super()._prepare(batch)
        return PreparedBatch(*(value.double() if value.is_floating_point() else value for value in values))


@NETWORKS
def test_accumulated_parts_do_what_the_whole_batch_does(
    tiny_dataset: Path, tmp_path: Path, config: TrainConfig
) -> None:
    """One step: the parts' losses and gradients are the whole batch's."""
    small = config
    losses, gradients = [], []
    for parts in (1, 2):
        config = replace(small, accumulation_steps=parts, discriminator_steps=1)
        planner = make_planner(run_of(tmp_path, tiny_dataset, config), ALONE)
        trainer = ExactTrainer(config, ALONE)
        networks = nn.ModuleList(trainer.recipe.networks.values())
        networks.eval()  # spectral and batch norm stand still, where in training they look at every part
        losses.append(trainer.step(batches(BatchDataset(planner.plan), 0, 2, workers=0)).checked())
        gradients.append([parameter.grad for parameter in networks.parameters()])
    assert losses[0] == pytest.approx(losses[1], rel=1e-9, abs=1e-9)
    for whole, summed in zip(*gradients, strict=True):
        assert whole is not None
        assert summed is not None
        torch.testing.assert_close(whole, summed, rtol=1e-9, atol=1e-9)


def test_a_checkpoint_of_another_machine_fits_this_one(tiny_dataset: Path, tmp_path: Path) -> None:
    """Of one with other memory layouts and another implementation of Adam, as between a GPU and a CPU."""
    config = replace(SMALL, weights=LossWeights(perceptual=0.0, adversarial=0.0))
    planner = make_planner(run_of(tmp_path, tiny_dataset, config), ALONE)
    first, second = batches(BatchDataset(planner.plan), 0, 2, workers=0)
    there, here = Trainer(config, ALONE), Trainer(config, ALONE)
    there.step(iter([first]))
    optimizer, generator = here.optimizers["generator"], here.recipe.generator
    optimizer.param_groups[0]["fused"] = True
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    here.load_state_dict(copy.deepcopy(there.state_dict()))
    assert optimizer.param_groups[0]["fused"] is True
    for parameter, values in optimizer.state.items():
        assert isinstance(values["step"], torch.Tensor)
        assert values["step"].item() == 1
        assert values["exp_avg"].stride() == values["exp_avg_sq"].stride() == parameter.stride()
    assert here.step(iter([second])).checked() == pytest.approx(there.step(iter([second])).checked(), rel=1e-4)
    for one, other in zip(there.recipe.generator.parameters(), generator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5)  # of steps of 1e-4


def test_a_batch_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(InputError, match=r"--batch-size must be a multiple of 3 .*got 4"):
        Trainer(replace(SMALL, accumulation_steps=3), ALONE)


def test_the_learning_rate_falls_over_the_last_share_of_the_steps() -> None:
    assert [rate_share(step, 8, 0.5) for step in range(8)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [rate_share(step, 4, 1.0) for step in range(4)] == [1, 0.75, 0.5, 0.25]
    assert rate_share(7, 8, 0.0) == 1
    assert [rate_share(step, 6, 1 / 3, "tenth") for step in range(6)] == [1, 1, 1, 1, 0.1, 0.1]
    assert [round(rate_share(step, 900, 1 / 3), 3) for step in (0, 600, 899)] == [1, 1, 0.003]


def test_with_a_falling_rate_a_run_is_gone_on_with_for_its_own_steps_only(tiny_dataset: Path, tmp_path: Path) -> None:
    falling = replace(SMALL, steps=4, decay_share=0.5, checkpoint_every=100)
    train(run_of(tmp_path / "four", tiny_dataset, falling), ALONE, None)
    with pytest.raises(InputError, match="steps 4 there, 5 now"):
        train(run_of(tmp_path / "four", tiny_dataset, replace(falling, steps=5), resume=True), ALONE, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_a_bad_loss_stops_with_the_videos(tiny_dataset: Path, tmp_path: Path, value: float) -> None:
    trainer = Trainer(SMALL, ALONE)
    planner = make_planner(run_of(tmp_path, tiny_dataset), ALONE)
    losses = trainer.step(batches(BatchDataset(planner.plan), 0, 3, workers=0))
    losses.values[1] = value
    with pytest.raises(DivergenceError, match="step 1: L_D is") as caught:
        losses.checked()
    assert all(group.video.id in str(caught.value) for group in planner.plan(1))


def test_a_diverging_run_leaves_no_checkpoint_of_it(tiny_dataset: Path, tmp_path: Path) -> None:
    config = replace(SMALL, learning_rate=1e30, checkpoint_every=1)
    with pytest.raises(DivergenceError, match=r"01M/clip|02M/clip"):
        train(run_of(tmp_path, tiny_dataset, config), ALONE, None)
    states = [load_checkpoint(path)["step"] for path in (tmp_path / "checkpoints").glob("*.pt")]
    assert 3 not in states


def test_resume_refuses_another_dataset_or_other_settings(
    tiny_dataset: Path, make_dataset: Any, tmp_path: Path
) -> None:
    one = replace(SMALL, steps=1)
    train(run_of(tmp_path / "run", tiny_dataset, one), ALONE, None)
    other = make_dataset(tmp_path / "other", train={"03F": 2}, test={"08F": 1})
    with pytest.raises(InputError, match="another dataset"):
        train(run_of(tmp_path / "run", other, SMALL, resume=True), ALONE, None)
    with pytest.raises(InputError, match=r"learning_rate 0.0001 there, 0.001 now"):
        train(run_of(tmp_path / "run", tiny_dataset, replace(SMALL, learning_rate=1e-3), resume=True), ALONE, None)
    with pytest.raises(InputError, match="not empty"):
        train(run_of(tmp_path / "run", tiny_dataset), ALONE, None)
    moved = shutil.copytree(tiny_dataset, tmp_path / "moved")
    contents = json.loads((moved / "dataset.json").read_text())
    (moved / "dataset.json").write_text(json.dumps({**contents, "bank_from": "own"}))
    with pytest.raises(InputError, match="trained with banks from 'other' videos, --shards now says 'own'"):
        train(run_of(tmp_path / "run", moved, one, resume=True), ALONE, None)


@pytest.mark.parametrize("name", ["flnet", "ganimation"])
def test_two_processes_do_what_one_does(tiny_dataset: Path, tmp_path: Path, name: str) -> None:
    """Some steps with discriminator and history: the same losses and weights up to float64's rounding.

    Not X2Face, whose batch norm sees each process's part by itself.
    """
    losses = steps_of(tiny_dataset, ALONE, tmp_path / "alone.pt", name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, __file__, str(tiny_dataset), str(tmp_path / "two.pt"), name]
    started = [
        subprocess.Popen(command, env={**environment, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=100)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    for output in outputs:
        there, threads = (json.loads(line) for line in output.splitlines()[-2:])
        for alone, together in zip(losses, there, strict=True):
            assert together == pytest.approx(alone, rel=1e-9, abs=1e-9)
        assert not [name for name in threads if "gloo" in name]  # they would end with the interpreter, or abort it
    first, second = (torch.load(tmp_path / file, weights_only=True) for file in ("alone.pt", "two.pt"))
    for part, weights in first.items():
        torch.testing.assert_close(weights, second[part], rtol=1e-7, atol=1e-8, msg=part)


def steps_of(dataset: Path, processes: Processes, weights: Path, name: str) -> list[dict[str, float]]:
    """Some steps; the losses of each. The first process keeps the generator's weights."""
    opened = open_dataset(dataset)
    planner = BatchPlanner(
        opened.videos("train"), opened.bank_from, batch_size=4, frames_per_video=2, bank_size=5, seed=0,
        rank=processes.rank, world_size=processes.world_size,
    )  # fmt: skip
    trainer = ExactTrainer(KINDS[name], processes)
    trainer.recipe.fit(opened)
    source = batches(BatchDataset(planner.plan), 0, 12, workers=0)
    losses = [trainer.step(source).checked() for _ in range(4)]
    if processes.is_main:
        torch.save(trainer.recipe.generator.state_dict(), weights)
    return losses


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined_processes("cpu") as joined:
        print(json.dumps(steps_of(Path(sys.argv[1]), joined, Path(sys.argv[2]), sys.argv[3])))
    print(json.dumps([task.joinpath("comm").read_text() for task in Path("/proc/self/task").iterdir()]))
