"""What ends a training that has broken: which step, term and unit are named, what stays, and what it costs."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vae_rd import fit_model
from vae_rd.config.fields import FitConfig
from vae_rd.data.module import Batch
from vae_rd.data.sprites import sprites
from vae_rd.errors import Diverged, OutOfMemory
from vae_rd.experiment import build
from vae_rd.fit import main
from vae_rd.functional import bounding
from vae_rd.process.memory import memory_advice
from vae_rd.run.folder import KEPT, LAST, folder_of
from vae_rd.run.record import RunRecord
from vae_rd.training.advice import Advice
from vae_rd.training.examples import ExampleTerms
from vae_rd.training.guard import check_terms, check_weights

STEPS = 4  # an epoch of the toy run
PLAIN = Advice(lambda step: torch.zeros(5, 1, 2, 2), lambda step: 1.0, lr=1e-3)
SIZES = {"n_train": 256, "hidden": [8], "latent_dim": 3, "batch_size": 64, "max_epochs": 3, "eval_samples": 2}


@pytest.fixture
def toy(tmp_path):
    def make(**changes) -> FitConfig:
        return FitConfig(**{**SIZES, "wandb": "off", "run_dir": str(tmp_path / "runs"), "name": "mine", **changes})

    return make


def finite_block(length: int) -> list[ExampleTerms]:
    draw = lambda *shape: torch.rand(*shape, dtype=torch.float64)  # noqa: E731
    return [ExampleTerms(draw(2, 5), draw(2, 5), draw(5), draw(5, 3), draw(5, 3)) for _ in range(length)]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("step", [0, 1, 49])
def test_the_first_bad_step_and_its_terms_are_named(bad, step):
    """Each place of a block is broken in turn, and the steps behind it too, as broken weights break them."""
    kind = "nan" if bad != bad else "inf"
    causes = {
        "rate": f"from rate {kind} (latent unit 1)",
        "units": f"from rate {kind} (latent units 0, 2)",
        "no closed form": f"from rate {kind}",
        "distortion": f"from distortion {kind}",
        "both": f"from rate {kind} and distortion {kind}",
        "weight": "from a weight of the objective",
    }
    for cause, words in causes.items():
        seen = finite_block(50)
        for terms in seen[step:]:
            terms.loss[2] = bad
            if cause in ("rate", "units", "no closed form", "both"):
                terms.rate[1, 2] = bad
            if cause in ("distortion", "both"):
                terms.distortion[1, 2] = bad
            for unit in {"rate": [1], "units": [0, 2]}.get(cause, []):
                terms.rate_per_dim[2, unit] = bad
        if cause == "no closed form":
            seen = [terms._replace(rate_per_dim=torch.full((5, 3), torch.nan)) for terms in seen]
        with pytest.raises(Diverged) as stop:
            check_terms(seen, first_step=101, advice=PLAIN)
        assert str(stop.value).startswith(f"step {101 + step}: the loss is {kind}, {words}"), cause
        weights = "bring --beta (and --beta_start) nearer to 1 or take --precision 64"
        remedy = weights if cause == "weight" else "lower --lr or add --grad_clip 1"
        assert str(stop.value).endswith(f"; {remedy}")


def test_a_block_of_finite_losses_passes():
    seen = [terms._replace(rate_per_dim=torch.full((5, 3), torch.nan)) for terms in finite_block(50)]
    check_terms(seen, first_step=1, advice=PLAIN)


def break_unit(model, *, unit: int, at_step: int) -> None:
    """From training step `at_step` on, the variance of one latent unit is infinite in single precision."""
    calls = Counter()

    def widen(module, inputs, posterior):
        calls[module.training] += 1
        if module.training and calls[True] >= at_step:
            posterior.log_var = posterior.log_var + 100.0 * torch.eye(3)[unit]
        return posterior

    model.encoder.register_forward_hook(widen)


def test_a_run_that_diverges_names_the_unit_and_keeps_what_it_had(toy, monkeypatch, capsys):
    whole = toy(name="whole", max_epochs=1, lr_schedule="constant")
    fit_model(whole)
    build_model = build.build_model

    def with_fault(config, card):
        model = build_model(config, card)
        break_unit(model, unit=2, at_step=STEPS + 3)
        return model

    monkeypatch.setattr(build, "build_model", with_fault)
    flags = [f"--{name}={value}" for name, value in SIZES.items()]
    folder = folder_of(toy())
    capsys.readouterr()
    code = main([*flags, "--wandb=off", "--lr_schedule=constant", f"--run_dir={folder.parent}", "--name=mine"])
    shown = capsys.readouterr().err
    message = f"step {STEPS + 3}: the loss is inf, from rate inf (latent unit 2)"
    assert code == 1
    assert shown.startswith(f"failed: Diverged: {message}")
    assert shown.count("\n") == 1
    record = RunRecord.read(folder)
    assert record.status == "failed"
    assert record.error.startswith(f"Diverged: {message}")
    for file in (KEPT, LAST):
        ours, theirs = (torch.load(f / file, weights_only=True) for f in (folder, folder_of(whole)))
        assert ours["epoch"] == 0
        assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in theirs["state_dict"])
    assert (folder / "history.csv").read_text() == (folder_of(whole) / "history.csv").read_text()


@pytest.mark.parametrize(
    ("gradient", "words"), [(torch.inf, "model.decoder"), (1e30, "the optimiser's state of model.")]
)
def test_weights_that_break_in_the_last_step_of_an_epoch_reach_no_file(toy, gradient, words):
    """The loss of that step is finite, and no step of the epoch follows. 1e30 squared is infinite in float32."""
    config = toy()
    model = build.build_model(config, build.data_set(sprites(), config).card)
    calls = Counter()

    def spoil(grad):
        calls["step"] += 1
        return torch.full_like(grad, gradient) if calls["step"] == 2 * STEPS else grad

    next(model.decoder.parameters()).register_hook(spoil)
    with pytest.raises(Diverged, match=rf"step {2 * STEPS}: {words}.* at the end of the epoch"):
        fit_model(config, model=model)
    folder = folder_of(config)
    assert {torch.load(folder / file, weights_only=True)["epoch"] for file in (KEPT, LAST)} == {0}
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 1


def test_frozen_parameters_may_be_infinite():
    """A mask of a network of one's own is no sign of divergence."""
    mask, weight = (
        torch.nn.Parameter(torch.tensor([-torch.inf]), requires_grad=False),
        torch.nn.Parameter(torch.ones(1)),
    )
    check_weights([("mask", mask), ("weight", weight)], torch.optim.AdamW([weight]), step=1, advice=PLAIN)


class Waits(TorchDispatchMode):
    """Counts the reads of a tensor by the host."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("steps", [1, 50])
def test_the_host_reads_the_device_once_a_block(steps, monkeypatch):
    monkeypatch.setattr(bounding, "_is_within", lambda *_: False)  # As on a GPU; on the CPU, looking costs no wait.
    config = FitConfig(hidden=[8], latent_dim=2, batch_size=4)
    card = build.data_set(sprites(), config).card
    module = build.build_module(config, build.build_model(config, card), card, steps=1000)
    optimizer = module.configure_optimizers()
    module._trainer, module.optimizers = Trainer(), lambda use_pl_optimizer: optimizer
    block = [Batch(torch.zeros(4, 1, 16, 16), part) for part in range(steps)]
    with Waits() as waits:
        module.training_step(block, 0)
    assert waits.count == 1


class Trainer:
    """As much of Lightning's as a block of steps touches."""

    def __getattr__(self, name):
        return Trainer()

    def __call__(self, *arguments):
        return None

    world_size, global_rank, current_epoch, global_step = 1, 0, 0, 0


CUDA = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 10.00 GiB\nIf reserved ..."
SHORTAGES = {
    "cuda": (lambda: _raise(torch.OutOfMemoryError(CUDA)), "20.00 MiB more"),
    "cublas": (lambda: _raise(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ...")), ""),
    "cpu": (lambda: torch.empty(2**50, dtype=torch.uint8), "1125899906842624 bytes more"),
    "windows": (
        lambda: _raise(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes")),
        "",
    ),
    "python": (lambda: _raise(MemoryError()), ""),
}


def _raise(error):
    raise error


@pytest.mark.parametrize("where", ["training", "validation"])
@pytest.mark.parametrize("case", SHORTAGES)
def test_a_shortage_of_memory_says_what_to_lower(toy, case, where):
    config = toy(max_epochs=1)
    model = build.build_model(config, build.data_set(sprites(), config).card)
    shortage, size = SHORTAGES[case]

    def hook(module, inputs):  # Two examples, which a network is tried with before it is trained, still fit.
        if module.training == (where == "training") and inputs[0].shape[1] > 2:
            shortage()

    model.decoder.register_forward_pre_hook(hook)
    with pytest.raises(OutOfMemory) as stop:
        fit_model(config, model=model)
    message = str(stop.value)
    flags = ["--samples", "--hidden", "--latent_dim"] + ["--batch_size"] * (where == "training")
    assert all(flag in message for flag in flags)
    assert where in message
    assert size in message
    assert "\n" not in message
    assert RunRecord.read(folder_of(config)).error == f"OutOfMemory: {message}"


def test_other_errors_pass_as_they_are():
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), memory_advice("a step", lower="--samples"):
        raise RuntimeError("shapes differ")
