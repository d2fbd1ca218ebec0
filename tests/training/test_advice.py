"""What is advised where training breaks can be its cause, and helps: each remedy is applied, and the fit ends well."""

import math

import pytest
import torch

from vae_rd import fit_model
from vae_rd.config.fields import FitConfig
from vae_rd.data.base import Source
from vae_rd.data.dataset import DataSet
from vae_rd.errors import Diverged
from vae_rd.functional.seeding import generator
from vae_rd.run.record import SPLITS
from vae_rd.training.advice import Advice, validation_advice

WEIGHTS = "bring --beta (and --beta_start) nearer to 1 or take --precision 64"
# Without what keeps training from breaking.
BARE = {"standardize": False, "activation": "relu", "log_var_bound": None}
BARE |= {"lr": 1e-3, "lr_schedule": "cosine"}
SMALL = BARE | {"hidden": [8], "latent_dim": 2, "batch_size": 64, "max_epochs": 2, "eval_samples": 2, "wandb": "off"}


def own_data(scale: float = 1.0, *, bad: float | None = None, split: str = "train") -> DataSet:
    """Standard normal pixels times `scale`, of which one of a split may be no number."""
    seeds = {split: torch.Generator().manual_seed(seed) for seed, split in enumerate(SPLITS)}
    images = {s: scale * torch.randn(256, 1, 2, 4, generator=noise) for s, noise in seeds.items()}
    data = DataSet(Source("mine", images, levels=None))
    if bad is not None:  # A source of such pixels would be refused.
        data.pixels[split][3, 0, 0, 1] = bad
    return data


def sprites_fit(tmp_path, **changes):
    return fit_model(FitConfig(**{**SMALL, "n_train": 256, "run_dir": str(tmp_path), "overwrite": True, **changes}))


def own_fit(tmp_path, data: DataSet, **changes):
    settings = {**SMALL, "likelihood": "gaussian", "run_dir": str(tmp_path), "overwrite": True, **changes}
    return fit_model(FitConfig(**settings), data=data)


@pytest.mark.parametrize(
    ("scale", "start"),
    [
        (1e20, "step 1: the loss is nan"),
        (1e3, "step 1: the loss is "),
        (1e2, "step 4: the optimiser's state of model."),
    ],
)
def test_unscaled_data_are_to_be_scaled(scale, start, tmp_path):
    with pytest.raises(Diverged) as stop:
        own_fit(tmp_path, own_data(scale))
    assert str(stop.value).startswith(start)
    head, _, reach = str(stop.value).rpartition(" as x reaches ")
    assert head.endswith("; scale the data,")
    assert 3 * scale < float(reach) < 6 * scale, "the largest of some hundreds of normal values"
    assert own_fit(tmp_path, own_data(1.0)).status == "finished"
    if scale < 1e20:  # Whose square single precision does not hold.
        assert own_fit(tmp_path, own_data(scale), standardize=True, log_var_bound=30.0).status == "finished"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("split", ["train", "val"])
def test_values_that_are_no_numbers_are_to_be_mended(bad, split, tmp_path):
    """Whichever step meets them first: of 4 a batch order decides, and lr has nothing to do with it."""
    with pytest.raises(Diverged) as stop:
        own_fit(tmp_path, own_data(bad=bad, split=split))
    kind = "nan" if math.isnan(bad) else "inf"
    whose = "that step" if split == "train" else "the val split"
    assert str(stop.value).endswith(f"; mend the data, as x of {whose} has {kind} values")
    assert own_fit(tmp_path, own_data()).status == "finished"


WEIGHTED = {
    "beta": ({"beta": 1e39}, "step 1: the loss is inf, from a weight of the objective"),
    "its gradients' squares": ({"beta": 1e30}, "step 4: the optimiser's state of model."),
    # Clipping divides by an infinite norm: every gradient would be 0, and an untrained network a result.
    "its gradients' norm": ({"beta": 1e30, "grad_clip": 1.0}, "step 1: the norm of the gradients is inf"),
    "bfloat16": ({"beta": 1e39, "precision": "bf16"}, "step 1: the loss is inf, from a weight of the objective"),
    "start": ({"beta_start": 1e-40, "beta_warmup": 4}, "step 1: the loss is inf, from a weight of the objective"),
}


@pytest.mark.parametrize(
    "case", ["its gradients' norm", *(pytest.param(c, marks=pytest.mark.slow) for c in WEIGHTED if "norm" not in c)]
)
def test_a_weight_beyond_the_precision_is_to_come_nearer_or_take_more_of_it(case, tmp_path):
    flags, start = WEIGHTED[case]
    with pytest.raises(Diverged) as stop:
        sprites_fit(tmp_path, **flags)
    assert str(stop.value).startswith(start)
    assert str(stop.value).endswith(f"; {WEIGHTS}")
    assert sprites_fit(tmp_path, **{**flags, "precision": "64"}).status == "finished"
    nearer = {"beta": 10.0} if "beta" in flags else {"beta_start": 0.1}
    assert sprites_fit(tmp_path, **(flags | nearer)).status == "finished"


@pytest.mark.parametrize(
    ("flags", "weights"),
    [
        ({"objective": "capacity", "rate_weight": 1e39}, "--rate_weight"),
        ({"objective": "info_vae", "mmd_weight": 1e39}, "--beta (and --beta_start, --mmd_weight)"),
        ({"objective": "beta_tc", "tc_weight": 1e39}, "--tc_weight"),
    ],
)
def test_a_weight_is_called_by_its_own_flag(flags, weights, tmp_path):
    with pytest.raises(Diverged) as stop:
        sprites_fit(tmp_path, **flags)
    assert str(stop.value).startswith("step 1: the loss is ")
    assert str(stop.value).endswith(f"; bring {weights} nearer to 1 or take --precision 64")


@pytest.mark.parametrize(
    ("flags", "remedy", "better"),
    [
        ({"lr": 1e10}, "lower --lr", {"lr": 1e-3}),
        ({"lr": 1e10, "grad_clip": 1.0}, "lower --lr", {"lr": 1e-3}),
        (
            {"weight_decay": 1e30},
            "lower --weight_decay, as a step takes 1e+27 times each weight from it",
            {"weight_decay": 0.0},
        ),
    ],
)
def test_what_only_steps_do_is_said_from_the_second_on(flags, remedy, better, tmp_path):
    with pytest.raises(Diverged) as stop:
        sprites_fit(tmp_path, **flags)
    assert str(stop.value).startswith("step 2: the loss is nan")
    assert str(stop.value).endswith(f"; {remedy}")
    assert sprites_fit(tmp_path, **(flags | better)).status == "finished"


def test_lr_is_no_remedy_before_a_step_was_taken():
    advice = Advice(lambda step: torch.zeros(2), lambda step: 1.0, lr=1e30, weight_decay=1.0)
    assert advice.at(1) == "mend the network, as its initial weights alone give this"
    assert "lower --lr" in advice.at(2)


def test_of_several_suspects_each_is_named():
    advice = Advice(lambda step: 100 * torch.ones(2), lambda step: torch.tensor(1e9), lr=1.0, is_double=True)
    nearer = "bring --beta (and --beta_start) nearer to 1"
    assert advice.at(2) == f"scale the data, as x reaches 100, and {nearer}, and lower --lr"


@pytest.mark.parametrize("standardize", [False, True])  # Moments that are no numbers are left alone.
@pytest.mark.parametrize("place", [0, 199, 200, 255])
def test_the_batch_of_the_broken_step_is_the_one_that_is_looked_at(place, standardize, tmp_path):
    """Drawn again from the epoch's order, across blocks of 50 steps of 4 examples."""
    order = torch.randperm(256, generator=generator("cpu", 0, "shuffle", 0))
    data = own_data()
    data.pixels["train"][order[place], 0, 1, 2] = torch.nan
    with pytest.raises(Diverged) as stop:
        own_fit(tmp_path, data, batch_size=4, standardize=standardize)
    assert str(stop.value).startswith(f"step {place // 4 + 1}: the loss is nan")
    assert str(stop.value).endswith("; mend the data, as x of that step has nan values")


def test_no_validation_where_the_data_are_fine_is_for_smaller_steps():
    assert validation_advice(torch.zeros(3)) == "lower --lr"
