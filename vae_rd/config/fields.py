"""Every flag of `python -m vae_rd.fit`: one flat, typed OmegaConf structured config.

A flag is a config field is a W&B sweep parameter. Each field carries its group, its meaning and its range, from which
the command line (`vae_rd.config.cli`) makes `--help` and refuses bad values before torch is imported.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vae_rd.config.versions import DEFAULTS_VERSION

DataName = Literal[
    "sprites",
    "scenes",
    "digits",
    "mnist",
    "static_mnist",
    "omniglot",
    "cmu_faces",
    "dsprites",
    "npz",
    "npy",
    "image_folder",
    "hf",
    "csv",
    "parquet",
    "gaussian",
    "sphere",
    "toy_channel",
    "noisy_sprites",
]
TargetName = Literal["x", "label"]
Binarization = Literal["none", "static", "dynamic", "threshold"]
Dequantize = Literal["none", "uniform"]
FileRules = Literal["1", "2"]
Layout = Literal["channels_last", "channels_first"]
ModelName = Literal["vae", "gan"]
EncoderName = Literal["linear", "mlp", "conv", "resnet"]
DecoderName = Literal["linear", "mlp", "conv", "resnet", "made", "pixelcnn"]
PosteriorName = Literal["diagonal", "full", "iaf", "deterministic", "categorical"]
PriorName = Literal["normal", "categorical", "mixture", "vamp", "maf", "spline"]
LikelihoodName = Literal[
    "bernoulli",
    "categorical",
    "gaussian",
    "gaussian_shared",
    "gaussian_pixel",
    "gaussian_optimal",
    "laplace",
    "continuous_bernoulli",
    "categorical_levels",
    "beta_binomial",
    "gaussian_integrated",
    "logistic_mixture",
]
ObjectiveName = Literal[
    "beta",
    "free_bits",
    "target_rate",
    "target_distortion",
    "geco",
    "capacity",
    "iwae",
    "beta_tc",
    "info_vae",
    "dip_vae_i",
    "dip_vae_ii",
    "multirate",
    "trajectory",
]
PathName = Literal["auto", "linear", "cosine", "cyclic", "geometric"]
WarmupUnit = Literal["steps", "percent"]
FreeBitsPer = Literal["unit", "total"]
GradientName = Literal["reparameterised", "score_function", "sticking", "dreg"]
Activation = Literal["silu", "gelu", "elu", "tanh", "relu"]
Schedule = Literal["constant", "cosine", "one_cycle"]
Precision = Literal["32", "64", "bf16"]
WandbMode = Literal["off", "offline", "online", "auto"]
FOUND = ("target_rate", "target_distortion", "geco")  # Objectives that find the weight of R as they go.
OWN = ("npz", "npy", "image_folder", "hf", "csv", "parquet")  # Data that --data_file says the place of.
HELD = (*FOUND, "capacity")  # Those that hold R or D.
WEIGHED = ("iwae", "beta_tc")  # Those in which R weighs as much as D.
RANGED = ("multirate",)  # Those of many betas at once.
ALONG = ("trajectory",)  # Those of many betas in turn.
MOST = 2**63 - 1  # What torch takes for a seed.
WIDEST = 2**31 - 1  # Of a size of a network: more than memory holds, and the product of two is one that torch takes.


def flag(
    default: Any,
    meaning: str,
    *,
    group: str,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    models: tuple[str, ...] = ("vae", "gan"),
    only: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    unless: Mapping[str, tuple[Any, ...]] = MappingProxyType({}),
) -> Any:
    """A config field with its help text, its range and its readers.

    Args:
        default: its value where nothing is said.
        meaning: for `--help`.
        group: its heading in `--help`.
        least: the least it can be.
        above: what it must be greater than.
        most: the most it can be.
        models: words of --model that read it at all.
        only: flags, each with the words at which this one is read, any of them.
        unless: flags, each with the values at which this one is not read, where all of them have one of these.
    """
    metadata = MappingProxyType(
        {
            "meaning": meaning,
            "group": group,
            "least": least,
            "above": above,
            "most": most,
            "models": models,
            "only": only,
            "unless": unless,
        }
    )
    if isinstance(default, list):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass
class FitConfig:
    """All flags of a fit with their defaults, in the order and grouping of `--help`."""

    data: DataName = flag(
        "sprites", "data set; sprites, scenes, digits, and those from gaussian on, need no file", group="data"
    )
    data_dir: str | None = flag(None, "folder of data sets [VAE_RD_DATA, else ./data]", group="data")
    data_file: str | None = flag(
        None,
        "one's own data: the .npz of npz, the .npy or folder of npy, the folder of image_folder, the folder or name "
        "of hf (--data hf:NAME says both), the file of csv or parquet",
        group="data",
        only={"data": OWN},
    )
    levels: int | None = flag(
        None,
        "grey levels of one's own whole-numbered pixels [null: from the values]",
        group="data",
        least=2,
        most=65536,
        only={"data": OWN},
        unless={"file_rules": ("1",)},
    )
    file_rules: FileRules = flag(
        "2",
        "how files of one's own are read; 1: as by version 1 of the defaults, counts as 2 or 256 levels, all split at "
        "random",
        group="data",
        only={"data": ("npz", "image_folder")},
    )
    layout: Layout = flag(
        "channels_last",
        "axes of one's own x: [H, W] or [H, W, C]; channels_first: [C, L], [C, H, W] or [C, D, H, W]",
        group="data",
        only={"data": ("npz", "npy")},
        unless={"file_rules": ("1",)},
    )
    population: bool = flag(
        False,
        "one's own images are all there are: each split is all of them, and the bounds on I are exact",
        group="data",
        only={"data": ("npz", "image_folder", "hf", "csv", "parquet")},
    )
    image_column: str | None = flag(
        None,
        "the column of hf that is x [null: the only one of images, else of arrays, else all numbers of a table]",
        group="data",
        only={"data": ("hf",)},
    )
    label_column: str | None = flag(
        None,
        "the column of labels [null: one called label, of hf the only one of classes]",
        group="data",
        only={"data": ("hf", "csv", "parquet")},
    )
    data_seed: int = flag(
        0,
        "seed of all that makes the data",
        group="data",
        least=0,
        most=MOST,
        unless={
            "data": ("sprites", "scenes", "digits", "mnist", "static_mnist", "omniglot", "cmu_faces", "dsprites"),
            "n_train": (None,),
            "n_test": (None,),
            "binarization": ("none", "threshold"),
            "dequantize": ("none",),
        },
    )
    gaussian_eigenvalues: list[float] = flag(
        [8.0, 4.0, 2.0, 1.0, 0.5, 0.25],
        "variances of --data gaussian along its principal axes",
        group="data",
        only={"data": ("gaussian",)},
    )
    sphere_dim: int = flag(
        2, "dimension of the space of --data sphere", group="data", least=2, most=1000, only={"data": ("sphere",)}
    )
    flip_probability: float = flag(
        0.05, "of a pixel of --data noisy_sprites", group="data", above=0, most=0.5, only={"data": ("noisy_sprites",)}
    )
    binarization: Binarization = flag(
        "none",
        "grey pixels to {0,1}: one stored draw, fresh each step, or 1 from half the top level on",
        group="data",
    )
    dequantize: Dequantize = flag("none", "grey pixels plus uniform noise of one bin", group="data")
    n_train: int | None = flag(
        None, "training examples [null: all, or fresh ones at every step where they never end]", group="data", least=2
    )
    n_test: int | None = flag(None, "test examples [null: all, or 100,000]", group="data", least=2)

    model: ModelName = flag(
        "vae",
        "vae: encoder and decoder under one objective; gan: the decoder against a discriminator, which has the network "
        "of the encoder",
        group="model",
    )
    encoder: EncoderName = flag("mlp", "network of q(z|x), or of the discriminator", group="model")
    posterior: PosteriorName = flag(
        "diagonal", "family of q(z|x); categorical: latent_dim states", group="model", models=("vae",)
    )
    decoder: DecoderName = flag(
        "mlp", "network of p(x|z); made, pixelcnn: each value of x given those before it, too", group="model"
    )
    hidden: list[int] | None = flag(
        None,
        "widths (mlp, made) or channels (conv, resnet, pixelcnn), mirrored in the decoder [null: [512] for mlp, [1024] "
        "for made, [32, 64] for conv and resnet, five of 32 for pixelcnn]",
        group="model",
        unless={"encoder": ("linear",), "decoder": ("linear",)},
    )
    activation: Activation = flag(
        "silu",
        "between the layers of the networks",
        group="model",
        unless={"encoder": ("linear",), "decoder": ("linear",)},
    )
    latent_dim: int = flag(16, "dimensions of z, or its number of states", group="model", least=1, most=WIDEST)
    prior: PriorName = flag("normal", "marginal m(z)", group="model")
    components: int | None = flag(
        None,
        "normals of --prior mixture, pseudo-inputs of vamp [null: 10; 500, 20 with --posterior iaf, at most n_train]",
        group="model",
        least=1,
        most=WIDEST,
        only={"prior": ("mixture", "vamp")},
    )
    flow_transforms: int = flag(
        3,
        "transforms of --prior maf or spline and of --posterior iaf, one after another",
        group="model",
        least=1,
        only={"prior": ("maf", "spline"), "posterior": ("iaf",)},
    )
    likelihood: LikelihoodName = flag("bernoulli", "family of p(x|z)", group="model")
    target: TargetName = flag(
        "x",
        "what p(.|z) is of, and D with it; label: an information bottleneck, with --likelihood categorical",
        group="model",
        models=("vae",),
    )
    standardize: bool = flag(
        True,
        "the encoder sees x less its training mean, over one scale, and the decoder starts at the best p(x) without z",
        group="model",
    )
    whiten: bool | None = flag(
        None,
        "networks see pixels whitened by the training split's moments, p(x|z) stays that of x [null: if both are "
        "linear, the likelihood is Gaussian, and x has at most 1,024 values]",
        group="model",
        models=("vae",),
    )
    log_var_bound: float | None = flag(
        30.0,
        "largest log variance of q(z|x) and of a pixel's scale, either way [null: none]",
        group="model",
        models=("vae",),
        above=0,
        unless={
            "posterior": ("deterministic", "categorical"),
            "likelihood": (
                "bernoulli",
                "categorical",
                "gaussian",
                "gaussian_shared",
                "gaussian_optimal",
                "laplace",
                "continuous_bernoulli",
                "categorical_levels",
                "beta_binomial",
            ),
        },
    )
    likelihood_scale: float = flag(
        1.0,
        "standard deviation of --likelihood gaussian",
        group="model",
        least=1e-6,
        only={"likelihood": ("gaussian",)},
    )
    laplace_scale: float = flag(
        1.0,
        "scale b of --likelihood laplace, its mean absolute deviation",
        group="model",
        least=1e-6,
        only={"likelihood": ("laplace",)},
    )
    logistic_components: int = flag(
        10,
        "components of --likelihood logistic_mixture",
        group="model",
        least=1,
        only={"likelihood": ("logistic_mixture",)},
    )

    objective: ObjectiveName = flag(
        "beta",
        "what is minimised: D + beta R; free_bits: with an allowance of R; target_rate, target_distortion: D or R, "
        "the other held; geco: R under a bound on D; capacity: D at an R that grows; iwae: -L_K of K samples; the "
        "others: D + R and a penalty; multirate: D + beta R at every beta of a range, of one model; trajectory: D + "
        "beta R at one beta after another, a model of each. A flag of the name of one of them chooses it",
        group="objective",
        models=("vae",),
    )
    beta: float = flag(
        1.0,
        "weight of the rate; of multirate the beta that its own record is measured at",
        group="objective",
        models=("vae",),
        least=0,
        unless={"objective": (*HELD, *WEIGHED, *ALONG)},
    )
    beta_range: list[float] = flag(
        [0.01, 10.0],
        "the least and the greatest beta of --objective multirate",
        group="objective",
        models=("vae",),
        only={"objective": RANGED},
    )
    multirate_power: float = flag(
        1.0,
        "p of the weight (2 / (1 + b))^p of the loss of a beta b: the lower, the more high betas count; 0 suits ranges "
        "of less than two decades",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": RANGED},
    )
    trajectory: list[float] = flag(
        [0.01, 0.0215443, 0.0464159, 0.1, 0.215443, 0.464159, 1.0, 2.15443, 4.64159, 10.0],
        'betas that one training goes through in this order, up or down, a list or "logspace(-2, 1, 10)"; each keeps a '
        "model of its own",
        group="objective",
        models=("vae",),
        only={"objective": ALONG},
    )
    beta_warmup: int | None = flag(
        None,
        "steps over which the weight goes from beta_start to beta, or a capacity from 0 to target_rate [null: half of "
        "all between linear networks, else 0]",
        group="objective",
        models=("vae",),
        least=0,
        unless={"objective": (*FOUND, *WEIGHED, *RANGED, *ALONG)},
    )
    warmup_unit: WarmupUnit = flag(
        "steps",
        "of beta_warmup; percent: of all steps",
        group="objective",
        models=("vae",),
        unless={"objective": (*FOUND, *WEIGHED, *RANGED, *ALONG)},
    )
    beta_start: float | None = flag(
        None,
        "weight at the first step [null: between linear networks, and where the weight is found, from above where all "
        "units collapse, else 0]",
        group="objective",
        models=("vae",),
        least=0,
        unless={"objective": ("geco", "capacity", *WEIGHED, *RANGED, *ALONG)},
    )
    beta_schedule: PathName = flag(
        "auto",
        "from beta_start to beta; cyclic: four times, each with a stay; auto: geometric from above 0, else linear",
        group="objective",
        models=("vae",),
        unless={"objective": (*HELD, *WEIGHED, *RANGED, *ALONG)},
    )
    free_bits: float = flag(
        0.5,
        "R that costs nothing, nats",
        group="objective",
        models=("vae",),
        above=0,
        only={"objective": ("free_bits",)},
    )
    free_bits_per: FreeBitsPer = flag(
        "unit", "whose allowance that is", group="objective", models=("vae",), only={"objective": ("free_bits",)}
    )
    target_rate: float = flag(
        4.0,
        "R to be held, nats",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": ("target_rate", "capacity")},
    )
    target_distortion: float | None = flag(
        None,
        "D to be held, nats",
        group="objective",
        models=("vae",),
        only={"objective": ("target_distortion", "geco")},
    )
    rate_weight: float | None = flag(
        None,
        "of a nat that R is off its target [null: 100 for capacity; target_rate finds one that holds the mean R, where "
        "a given one holds that of each x]",
        group="objective",
        models=("vae",),
        above=0,
        only={"objective": ("target_rate", "capacity")},
    )
    tc_weight: float = flag(
        6.0,
        "of the total correlation of z, which is 1 in R",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": ("beta_tc",)},
    )
    mmd_weight: float = flag(
        100.0,
        "of MMD^2 between z and the prior, beside beta R",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": ("info_vae",)},
    )
    lambda_od: float = flag(
        10.0,
        "weight of squared covariances of z, beside beta R",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": ("dip_vae_i", "dip_vae_ii")},
    )
    lambda_d: float | None = flag(
        None,
        "weight of (variance - 1)^2 of z [null: 10 lambda_od for dip_vae_i, lambda_od for dip_vae_ii]",
        group="objective",
        models=("vae",),
        least=0,
        only={"objective": ("dip_vae_i", "dip_vae_ii")},
    )
    gradient: GradientName = flag(
        "reparameterised",
        "how the gradient of draws is estimated: through z, by ln q(z|x) alone (score_function, 2 samples or more), or "
        "without the score term (sticking; dreg for iwae)",
        group="objective",
        models=("vae",),
    )
    samples: int = flag(
        1,
        "draws of z per example and training step",
        group="objective",
        models=("vae",),
        least=1,
        most=WIDEST,
        # One z, and a sum over all states.
        unless={"posterior": ("deterministic", "categorical"), "gradient": ("reparameterised", "sticking", "dreg")},
    )

    r1: float = flag(
        1.0,
        "weight gamma of the discriminator's penalty, gamma / 2 of its squared gradient at examples",
        group="objective",
        least=0,
        models=("gan",),
    )
    ema: float = flag(
        0.995,
        "decay, a step, of the average of the generator's weights, which is what is kept",
        group="objective",
        least=0,
        most=0.999999,
        models=("gan",),
    )

    batch_size: int = flag(128, "examples a step, over all processes", group="training", least=1)
    max_epochs: int = flag(100, "epochs", group="training", least=1)
    max_steps: int | None = flag(None, "optimiser steps [null: no limit]", group="training", least=1)
    lr: float = flag(3e-3, "learning rate of Adam, at its highest", group="training", above=0)
    lr_schedule: Schedule = flag(
        "one_cycle",
        "of the learning rate over the run: one_cycle rises for 30 % of it and falls to 0, cosine falls to 0",
        group="training",
    )
    weight_decay: float = flag(0.0, "decoupled weight decay", group="training", least=0)
    grad_clip: float | None = flag(None, "largest gradient norm [null: no clipping]", group="training", above=0)
    patience: int | None = flag(
        None, "stop after this many validations without a better objective [null: never]", group="training", least=1
    )
    val_every: int = flag(
        1, "epochs between validations; the last epoch has one in any case", group="training", least=1
    )
    start_from: str | None = flag(
        None,
        "folder of a finished run of the same network and data, whose last weights and optimiser training starts from, "
        "or of a run of many betas, from whose model at --beta [null: from the seed]",
        group="training",
        models=("vae",),
    )
    seed: int = flag(0, "seed of initialisation, shuffling and noise", group="training", least=0, most=MOST)
    precision: Precision = flag("32", "floating point of training", group="training")

    eval_samples: int | None = flag(
        None,
        "draws of z per example in evaluation [null: 8 on a population, else 1]",
        group="evaluation",
        models=("vae",),
        least=1,
    )
    information_examples: int | None = flag(
        5_000,
        "examples of a split, drawn at random, that mutual information is a mean over, each against the whole split "
        "[null: all; where data never end, each against 10,000]",
        group="evaluation",
        models=("vae",),
        least=2,
    )

    devices: int = flag(1, "processes on each machine, one a device", group="device", least=1)
    num_nodes: int = flag(1, "machines; start the command on each by torchrun or srun", group="device", least=1)
    accelerator: Literal["auto", "cpu", "gpu"] = flag("auto", "kind of device", group="device")
    strategy: Literal["auto", "ddp"] = flag("auto", "how several devices work together", group="device")

    wandb: WandbMode = flag(
        "auto", "W&B logging [auto: online under an agent or when logged in, else offline]", group="run"
    )
    wandb_project: str = flag("vae_rd", "W&B project", group="run")
    run_dir: str = flag("runs", "folder of runs", group="run")
    media_every: int | None = flag(
        None,
        "epochs from one set of pictures in the run's folder to the next [null: of the kept checkpoint alone, as there "
        "are in any case; 0: none]",
        group="run",
        least=0,
    )
    units: Literal["nats", "bits", "bits_per_dim"] = flag(
        "nats", "of the table at the end; records are in nats", group="run"
    )
    name: str | None = flag(None, "the run's own folder [null: <data>-beta<b>-seed<s>-<hash>]", group="run")
    resume: Literal["never", "auto"] = flag("never", "auto: continue an interrupted equal run", group="run")
    overwrite: bool = flag(False, "remove an existing run of this name first", group="run")
    defaults_version: int = flag(
        DEFAULTS_VERSION,
        "whose defaults unsaid flags have; a run's config.yaml states its own",
        group="run",
        least=1,
        most=DEFAULTS_VERSION,
    )


FIELDS: Mapping[str, dataclasses.Field[Any]] = MappingProxyType({f.name: f for f in dataclasses.fields(FitConfig)})
_HINTS = get_type_hints(FitConfig)
_PLAIN = (str, int, float, type(None))  # Of values: a look that is quicker than one for sequences.


# The words of each field that has any; a member that a script adds to a table has its word added here.
WORDS: dict[str, tuple[str, ...]] = {n: get_args(hint) for n, hint in _HINTS.items() if get_origin(hint) is Literal}


def choices(name: str) -> tuple[str, ...]:
    """The words a field accepts, or () where any value of its type will do."""
    return WORDS.get(name, ())


@functools.cache
def value_type(name: str) -> type:
    """The Python type of a field's value, without None: bool, int, float, str or list."""
    hint = _HINTS[name]
    hint = next((a for a in get_args(hint) if a is not type(None)), hint) if type(None) in get_args(hint) else hint
    return str if get_origin(hint) is Literal else (get_origin(hint) or hint)


@functools.cache
def is_optional(name: str) -> bool:
    """Whether null is a value of the field."""
    return type(None) in get_args(_HINTS[name])


def to_dict(config: FitConfig) -> dict[str, Any]:
    """The config as plain Python values, in declaration order: what records and checkpoints store.

    Example:
        >>> to_dict(FitConfig(beta=4.0))["beta"]
        4.0
    """
    values = {name: getattr(config, name) for name in config.__dataclass_fields__}
    # Hydra, which may have made it, has lists of its own.
    return {k: list(v) if not isinstance(v, _PLAIN) and isinstance(v, Sequence) else v for k, v in values.items()}


def to_yaml(config: FitConfig) -> str:
    """The config as YAML that `--config` reads back to an equal config."""
    from omegaconf import OmegaConf  # No refusal has to wait for it.

    return OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))
