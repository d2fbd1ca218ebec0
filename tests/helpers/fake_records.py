"""Run folders with numbers that obey the theory, made without training: what the tests of `analysis` read.

Each sweep is a source with a known answer. Its D, R and I satisfy H - D <= I <= R and D + R >= H on every split, its
frontier has slope near -beta, and its histories fall to the final values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from vae_rd.config.fields import FitConfig, to_dict
from vae_rd.config.names import identity, run_name
from vae_rd.run.files import HISTORY_FILE, csv_text
from vae_rd.run.record import SPLITS, Json, RunRecord, estimate

SPRITES_N = 3776
SPRITES_H = math.log(SPRITES_N)
SPRITES_BETAS = (0.1, 0.5, 1.0, 2.0, 4.0, 10.0, 1000.0)
MNIST_BETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 50.0)
LATENT_DIM = 16
KNOWN_OF_A_POINT = ("distortion", "objective", "active_units")  # where all of q(z|x) is one z

SOURCES = {
    "importance": "importance sampling, 5000 draws",
    "prior": "prior sampling, 5000 draws",
    "ais": "AIS, 16 chains, 500 temperatures",
    "dual": "dual, neural u, 99 % each",
    "particle": "1000 particles, 99 % each",
    "marginal_maf": "R under a masked autoregressive flow fitted to q(z)",
    "marginal_mixture": "R under a mixture of 100 normals fitted to q(z)",
}

GAUSSIAN_EIGENVALUES = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.25])
GAUSSIAN_S2 = 0.01
GAUSSIAN_H = 0.5 * float(np.log(2 * math.pi * math.e * GAUSSIAN_EIGENVALUES).sum())


@dataclass(frozen=True)
class Point:
    """What a run measures on one split, in nats; `information` is the truth, of which only bounds may be recorded."""

    distortion: float
    rate: float
    information: float
    stderr: float = 0.002
    kind: str = "exact"
    active: int = 4


def write_run(
    root: Path,
    *,
    card: Json,
    beta: float,
    points: Mapping[str, Point],
    seed: int = 0,
    estimates: Sequence[Json] = (),
    epochs: int = 40,
    warmup: int = 4,
    kept_epoch: int | None = 27,
    likelihood: str = "bernoulli",
    likelihood_scale: float = 1.0,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **record_fields: Any,
) -> Path:
    """One run folder with record.json and history.csv; `record_fields` override the record's own.

    `settings` are further fields of the config.
    """
    family: Json = {"likelihood": likelihood, "likelihood_scale": likelihood_scale, "latent_dim": LATENT_DIM}
    config = FitConfig(**{"beta": beta, "seed": seed, "wandb": "off", **family, **settings})
    name = run_name(config).replace("sprites", card["name"])
    test = points["test"]
    collapse = {"collapsed": test.rate < 0.1, "rate": test.rate, "active_units": test.active}
    model = record_fields.pop("model", {})
    own = model.get("is_own", False)
    fixed = likelihood == "gaussian" and not own
    distortion = {"family": None if own else likelihood, "scale": likelihood_scale if fixed else None}
    fields = {
        "name": name,
        "command": f"python -m vae_rd.fit --beta {beta:g} --seed {seed}",
        "config": {**to_dict(config), "data": card["name"]},
        "data": card,
        "identity": identity(config),
        "model": {
            "is_own": own,
            "kept_epoch": kept_epoch,
            "slope": beta,
            "distortion": distortion,
            "latent_dim": config.latent_dim,
            **model,
        },
        "status": "finished",
        "metrics": {split: metrics(points[split], card, split, beta=beta) for split in SPLITS},
        "estimates": list(estimates),
        "verdicts": {"collapse": collapse | {"latent_dim": config.latent_dim}, "fit": None},
    }
    folder = root / name
    folder.mkdir(parents=True)
    RunRecord(**(fields | record_fields)).write(folder)
    (folder / HISTORY_FILE).write_text(history(points, beta=beta, epochs=epochs, warmup=warmup), encoding="utf-8")
    return folder


def metrics(point: Point, card: Json, split: str, *, beta: float) -> Json:
    """The record's metrics of one split; InfoNCE stays below its cap ln n, as the estimator does."""
    n, se = card["n"][split], point.stderr
    cap = math.log(n)
    lower = point.information if point.kind == "exact" else -math.log(math.exp(-point.information) + math.exp(-cap))
    upper = point.information if point.kind == "exact" else point.rate
    h = card["entropy"][split]["value"]
    decoder_kl = point.distortion + point.information - h if h is not None and point.kind == "exact" else math.nan
    return {
        "distortion": estimate(point.distortion, se, n),
        "rate": estimate(point.rate, se / 2, n),
        "elbo": estimate(-point.distortion - point.rate, se, n),
        "objective": estimate(point.distortion + beta * point.rate, se * (1 + beta), n),
        "mutual_information_lower": estimate(lower, se, n, cap=cap, kind=point.kind),
        "mutual_information_leave_one_out": estimate(point.information + 0.3 * point.rate, 5 * se, n),
        "mutual_information_upper": estimate(upper, se, n, method="exact" if point.kind == "exact" else "rate"),
        "marginal_kl_lower": estimate(point.rate - upper, se, n),
        "marginal_kl_upper": estimate(point.rate - lower, se, n),
        "decoder_kl": estimate(decoder_kl, se, n),
        "active_units": estimate(point.active, None, n),
        "rate_per_dim": {"value": [point.rate / LATENT_DIM] * LATENT_DIM, "stderr": [0.0] * LATENT_DIM, "n": n},
    }


def history(points: Mapping[str, Point], *, beta: float, epochs: int, warmup: int) -> str:
    """history.csv: D falls and R rises to the final values; validation every second epoch, overfitting a little."""
    names = ("distortion", "rate", "elbo", "objective", "loss", "active_units")
    columns = ["epoch", "step", "beta_effective", "lr", *(f"{s}/{name}" for s in ("train", "val") for name in names)]
    columns += [f"{s}/rate_dim_{d}" for s in ("train", "val") for d in range(LATENT_DIM)]
    return csv_text(columns, (_epoch(points, beta, epoch, epochs, warmup) for epoch in range(epochs)))


def _epoch(points: Mapping[str, Point], beta: float, epoch: int, epochs: int, warmup: int) -> Json:
    weight = beta * min(1.0, epoch / warmup) if warmup else beta
    row: Json = {"epoch": epoch, "step": 30 * (epoch + 1), "beta_effective": weight, "lr": 1e-3}
    overfit = 0.4 * max(0.0, epoch / epochs - 0.7)
    for split in ("train", "val") if epoch % 2 == 1 else ("train",):
        end, decay = points[split], math.exp(-6 * epoch / epochs)
        d = end.distortion + (0.6 * abs(end.distortion) + 40) * decay + overfit * (split == "val")
        r = end.rate * (1 - decay) + 0.3 * decay
        values = {"distortion": d, "rate": r, "elbo": -d - r, "objective": d + beta * r, "loss": d + weight * r}
        values |= {"active_units": end.active} | {f"rate_dim_{i}": r / LATENT_DIM for i in range(LATENT_DIM)}
        row |= {f"{split}/{name}": value for name, value in values.items()}
    return row


def sprites_card(*, n_train: int | None = None) -> Json:
    """A population of `SPRITES_N` distinct binary images; with `n_train`, a training sample of it."""
    whole = _entropy(SPRITES_H, kind="exact", source="ln N")
    own = whole if n_train is None else _entropy(math.log(n_train), kind="exact", source="ln N")
    return {
        "name": "sprites",
        "n": {"train": n_train or SPRITES_N, "val": SPRITES_N, "test": SPRITES_N},
        "shape": [1, 16, 16],
        "support": "binary",
        "population": {"train": n_train is None, "val": True, "test": True},
        "pixel_scale": None,
        "entropy": {"train": own, "val": whole, "test": whole},
        "params": {} if n_train is None else {"n_train": n_train},
    }


def sprites_point(beta: float, *, seed: int = 0) -> Point:
    """On D = (H - R) + 46.8 (1 - R/H)^2, whose slope is -beta at 1 - R/H = (beta - 1) H / 93.6; a little above it."""
    noise = np.random.default_rng([seed, int(1000 * beta)]).uniform(0, 1, 2).tolist()
    share = 1 - min(1.0, max(0.0, (beta - 1) * SPRITES_H / 93.6))
    information = SPRITES_H * share * (1 - 0.004 * noise[0])
    rate = (
        information + share * (0.15 + 0.3 * noise[1]) + 1.2 * max(0.0, -math.log(max(beta, 1e-3))) + (1 - share) * 1e-4
    )
    distortion = SPRITES_H - information + 46.8 * (1 - share) ** 2 + 0.03 + 0.5 * noise[0] * share
    return Point(distortion, rate, information, stderr=0.004 * share + 1e-5, active=round(5 * share))


def sprites_sweep(
    root: Path,
    *,
    betas: Sequence[float] = SPRITES_BETAS,
    seeds: Sequence[int] = (0,),
    excess: float = 0.0,
    **settings: Any,
) -> list[Path]:
    """A sweep on the sprites population: H exact, I exact, splits that coincide; D lies `excess` above a good one.

    `settings` are fields of every run's config.
    """
    points = {(b, s): _raised(sprites_point(b, seed=s), excess) for b in betas for s in seeds}
    return [
        write_run(root, card=sprites_card(), beta=b, seed=s, points=dict.fromkeys(SPLITS, point), settings=settings)
        for (b, s), point in points.items()
    ]


def sprites_autoencoder(root: Path, *, seed: int = 0) -> Path:
    """A plain autoencoder on the sprites: D alone is defined, and I bounded by H."""
    point = Point(2.5, 0.0, 0.0)
    known = metrics(point, sprites_card(), "test", beta=0.0)
    undefined = {
        name: entry | {"value": None, "stderr": None} for name, entry in known.items() if name not in KNOWN_OF_A_POINT
    }
    run: Json = {"card": sprites_card(), "beta": 0.0, "seed": seed, "points": dict.fromkeys(SPLITS, point)}
    return write_run(
        root,
        **run,
        settings={"posterior": "deterministic"},
        metrics=dict.fromkeys(SPLITS, known | undefined),
        verdicts={"collapse": {"collapsed": None, "latent_dim": LATENT_DIM}, "fit": None},
    )


def sprites_targets(root: Path, *, rates: Sequence[float] = (2.0, 4.0), slope: float | None = None) -> list[Path]:
    """Runs that asked for a rate and have it, a little above the frontier; no beta is known, if a slope was found."""
    folders = []
    for rate in rates:
        point = Point(SPRITES_H - rate + 20 * (1 - rate / SPRITES_H) ** 2 + 2, rate, 0.9 * rate)
        found = metrics(point, sprites_card(), "test", beta=1.0)
        found["objective"] = estimate(math.nan, None, SPRITES_N)
        settings = {"objective": "target_rate", "target_rate": rate}
        run: Json = {"card": sprites_card(), "beta": 1.0, "points": dict.fromkeys(SPLITS, point), "settings": settings}
        aim = {"slope": None, "achieved_slope": slope, "target_rate": rate}
        folders.append(write_run(root, **run, model=aim, metrics=dict.fromkeys(SPLITS, found)))
    return folders


def sprites_decoders(root: Path, *, betas: Sequence[float] = (0.5, 1.0, 4.0, 10.0)) -> list[Path]:
    """Three decoders at each beta, the linear one worst."""
    decoders = {"linear": 12.0, "mlp": 0.0, "conv": 4.0}
    return [f for name, d in decoders.items() for f in sprites_sweep(root, betas=betas, excess=d, decoder=name)]


def sprites_search(root: Path, *, trials: int = 12) -> list[Path]:
    """A search at beta 4: no two learning rates alike, three choices of widths, D worse with every trial."""
    widths = ([64], [512, 256], [512])
    tried = [{"lr": 1e-3 * (1 + i / 7), "hidden": widths[i % 3], "excess": 0.5 * i} for i in range(trials)]
    return [f for settings in tried for f in sprites_sweep(root, betas=[4.0], **settings)]


def mnist_card() -> Json:
    """Static binary MNIST: H of the training sample is ln n, H of the others is not known."""
    unknown = _entropy(None, kind=None, source=None)
    return {
        "name": "static_mnist",
        "n": {"train": 50000, "val": 10000, "test": 10000},
        "shape": [1, 28, 28],
        "support": "binary",
        "population": dict.fromkeys(SPLITS, False),
        "pixel_scale": None,
        "entropy": {"train": _entropy(math.log(50000), kind="exact", source="ln N"), "val": unknown, "test": unknown},
        "params": {"archive": "mnist", "data_seed": 0},
    }


def mnist_points(beta: float, *, seed: int = 0) -> dict[str, Point]:
    """Points along a frontier like that of a small MLP; the training split is better by some nats where R is large."""
    log_betas = np.log(MNIST_BETAS)
    shift = np.random.default_rng([seed, int(1000 * beta)]).normal(0, 1, 2).tolist()
    rate = float(np.interp(math.log(beta), log_betas, (38.0, 29.0, 21.0, 14.0, 8.5, 4.2, 0.0008)))
    test = float(np.interp(math.log(beta), log_betas, (63.0, 66.2, 72.0, 85.0, 105.0, 130.0, 206.0)))
    live = rate / (rate + 2)
    rate, test = rate + 0.25 * live * shift[0], test + 0.5 * live * shift[1] - 0.25 * beta * live * shift[0]
    gap = {"train": -3.5 * live, "val": 0.4 * live, "test": 0.0}
    return {
        split: Point(
            test + gap[split],
            rate * (1.012 if split == "train" else 1.0),
            0.8 * rate,
            stderr=(0.13 if split == "train" else 0.3) * live + 0.01,
            kind="empirical" if split == "train" else "bound",
            active=round(LATENT_DIM * live),
        )
        for split in SPLITS
    }


def mnist_sweep(
    root: Path,
    *,
    betas: Sequence[float] = MNIST_BETAS,
    seeds: Sequence[int] = (0,),
    nll: bool = False,
    excess: float = 0.0,
    **settings: Any,
) -> list[Path]:
    """A sweep on real data: H unknown, InfoNCE capped, three splits; with `nll`, beta = 1 has importance estimates."""
    folders = []
    for beta in betas:
        for seed in seeds:
            points = {s: _raised(point, excess) for s, point in mnist_points(beta, seed=seed).items()}
            value = points["test"].distortion + points["test"].rate - 4.5
            found = estimated("importance", value=value, stderr=0.29, n=10000, samples=5000)
            estimates = [found] if nll and beta == 1 else []
            run: Json = {"card": mnist_card(), "beta": beta, "seed": seed, "settings": settings}
            folders.append(write_run(root, **run, points=points, estimates=estimates))
    return folders


def gaussian_card() -> Json:
    """A Gaussian source drawn fresh: H differential and exact, the same for every split."""
    h = {**_entropy(GAUSSIAN_H, kind="exact", source="0.5 ln det(2 pi e Sigma)"), "measure": "differential"}
    return {
        "name": "gaussian",
        "n": {"train": 10000, "val": 10000, "test": 100000},
        "shape": [1, 1, 6],
        "support": "real",
        "population": dict.fromkeys(SPLITS, False),
        "pixel_scale": None,
        "entropy": dict.fromkeys(SPLITS, h),
        "params": {"eigenvalues": GAUSSIAN_EIGENVALUES.tolist()},
    }


def gaussian_point(beta: float, *, split: str = "test") -> Point:
    """Reverse water-filling at the level c = beta s2: the optimum of a linear beta-VAE, where I = R."""
    level = beta * GAUSSIAN_S2
    kept = np.maximum(GAUSSIAN_EIGENVALUES, level)
    rate = 0.5 * float(np.log(kept / level).sum())
    error = float(np.minimum(GAUSSIAN_EIGENVALUES, level).sum())
    distortion = error / (2 * GAUSSIAN_S2) + 3 * math.log(2 * math.pi * GAUSSIAN_S2)
    active = int(np.count_nonzero(level < GAUSSIAN_EIGENVALUES))
    stderr = 0.006 if split == "test" else 0.02
    return Point(
        distortion, rate, rate, stderr=stderr, kind="empirical" if split == "train" else "bound", active=active
    )


def gaussian_sweep(
    root: Path,
    *,
    betas: Sequence[float] = (0.5, 1.0, 3.0, 10.0, 100.0),
    excess: float = 0.0,
    likelihood: str = "gaussian",
    scale: float = math.sqrt(GAUSSIAN_S2),
    estimates: Callable[[float], Sequence[Json]] = lambda beta: (),
) -> list[Path]:
    """A sweep on the Gaussian source: negative distortions, no limits to draw; D lies `excess` above the optimum."""
    return [
        write_run(
            root,
            card=gaussian_card(),
            beta=b,
            points={s: _raised(gaussian_point(b, split=s), excess) for s in SPLITS},
            estimates=estimates(b),
            likelihood=likelihood,
            likelihood_scale=scale,
        )
        for b in betas
    ]


def _raised(point: Point, excess: float) -> Point:
    return Point(**{**asdict(point), "distortion": point.distortion + excess})


def estimated(kind: str, *, value: float, stderr: float = 0.01, **details: Any) -> Json:
    """An entry of `estimates` with every key that all kinds have."""
    common = {"split": "test", "n": 1000, "seed": 0, "bound": "upper", "certified": False, "curve": None}
    return {"kind": kind, **common, "source": SOURCES[kind], "value": value, "stderr": stderr, **details}


def decoder_curve(beta: float) -> Json:
    """The AIS entry of the decoder that is optimal at `beta`: mode i maps z_i by w_i^2 = max(0, l_i - beta s2).

    With distortion -ln p(x|z) and weight b, R_b and D_b are those of truth by mode; at b = 1/beta the encoder is
    already the best one, so the curve touches the run's own point.
    """
    w2 = np.maximum(0.0, GAUSSIAN_EIGENVALUES - beta * GAUSSIAN_S2)
    weights = np.geomspace(1e-3, 100.0, 41)  # 1 and 0.1 are among them
    ratio = weights[:, None] / GAUSSIAN_S2
    variance = 1 / (1 + ratio * w2)  # of z_i given x at weight b
    mean_square = (variance * ratio) ** 2 * w2 * GAUSSIAN_EIGENVALUES
    rate = 0.5 * (variance + mean_square - 1 - np.log(variance)).sum(1)
    error = (GAUSSIAN_EIGENVALUES * (1 - variance * ratio * w2) ** 2 + w2 * variance).sum(1)
    distortion = error / (2 * GAUSSIAN_S2) + 3 * math.log(2 * math.pi * GAUSSIAN_S2)
    total = rate + weights * distortion
    columns = {"b": weights, "rate": rate, "distortion": distortion, "total": total, "total_stderr": 0.01 + 0 * total}
    curve = {name: column.tolist() for name, column in columns.items()}
    nll = float(np.interp(1.0, weights, total))
    return estimated("ais", value=nll, chains=16, temperatures=500, curve=curve)


def dual_line(beta: float, *, slack: float = 0.5) -> Json:
    """A certified line under the Gaussian source's R(D): R + b D >= limit, b = 1/beta, `slack` below the optimum."""
    point = gaussian_point(beta)
    value = point.rate + point.distortion / beta - slack
    return estimated("dual", value=value, stderr=0.02, bound="lower", certified=True, b=1 / beta, limit=value - 0.05)


def particle_point(beta: float, *, slack: float = 0.2) -> Json:
    """An achievable point `slack` above the Gaussian source's R(D)."""
    point = gaussian_point(beta)
    rate = point.rate + slack
    value, place = rate + point.distortion / beta, {"rate": rate, "distortion": point.distortion}
    return estimated("particle", value=value, certified=True, b=1 / beta, limit=value + 0.03, **place)


def sphere_card() -> Json:
    """The noisy sphere in the plane, noise variance 0.1: R(D) is known where the weight of half the error is 10 up."""
    h = {**_entropy(2.0759222859, kind="exact", source="quadrature"), "measure": "differential"}
    sizes = {"train": 10000, "val": 10000, "test": 100000}
    sphere = {"name": "sphere", "n": sizes, "shape": [1, 1, 2], "params": {"dim": 2, "noise_variance": 0.1}}
    return gaussian_card() | sphere | {"entropy": dict.fromkeys(SPLITS, h)}


def _entropy(value: float | None, *, kind: str | None, source: str | None) -> Json:
    stderr = None if value is None else 0.0
    return {"value": value, "stderr": stderr, "kind": kind, "measure": "discrete", "source": source}


def impossible(point: Point) -> Point:
    """The same point moved 1.5 nats below where D + R may lie."""
    return Point(**{**asdict(point), "distortion": point.distortion - 1.5})
