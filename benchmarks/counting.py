"""Can one count in a latent space? Counts read off codes, and sums of codes decoded, across beta: one table.

    OMP_NUM_THREADS=1 python benchmarks/counting.py [--seeds 3] [--runs FOLDER] [--table] [--write]

Scenes of discs and squares (`--data scenes`). Those with one disc and one square, and those with two of each, are kept
from training altogether: what is decoded there cannot have been seen. Of each beta, of a plain autoencoder, and of PCA
and the pixels beside them:

    count       of distinct scenes that were trained on, told by ridge regression of the count on a draw of z, rounded;
                five folds, each told by the other four
    of E[z|x]   the same from the mean, a function of x that no rate bounds
    held out    of scenes that were kept from training, told by all that were not
    four        of the scenes of four sprites, told by those of at most three
    unseen sum  E z(2 discs) - E z(1 disc) + E z(1 square), decoded, is the scene of one disc and one square that
                arithmetic says, bit for bit; of 504 triples of cells
    seen sum    E z(2 discs) - E z(1 disc) + E z(1 other disc), which is another scene of two discs
    decoded     the scenes that the unseen sums stand for, encoded and decoded, bit for bit

Every count weighs as much as any other, in the regression and in the share that is told right: a guess has 0.2 of the
first two columns, and half of `held out`, where there are two and four alone.

`--write` puts the table into docs/counting.md. What is fitted under runs/counting (`--runs`) is not fitted again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
import torch
from known_answers.tables import ROOT, put_table
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from vae_rd import DataSet, FitConfig, Source, fit_model, load
from vae_rd.data.scenes import GRID, SIDE, drawn, scenes
from vae_rd.functional.seeding import generator
from vae_rd.run.record import RunRecord

DOCS = ROOT / "docs" / "counting.md"
COMMAND = "python benchmarks/counting.py --write"
HELD_OUT = ((1, 1), (2, 2))  # Discs and squares of the scenes that training does not see.
BETAS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LATENT = 16
SHAPE = (SIDE, SIDE)
TRAINING = {"latent_dim": LATENT, "max_epochs": 30, "val_every": 10}
PENALTIES = np.logspace(-6, 3, 10)
COLUMNS = ("count", "of E[z|x]", "held out", "four", "unseen sum", "seen sum", "decoded")
Scores = dict[str, float]


class Space(NamedTuple):
    """Where sums are made.

    Attributes:
        encode: images [N, 16, 16] to codes [N, D].
        draw: the same, with the noise of q(z|x).
        decode: codes to the likeliest images, uint8 [N, 16, 16].
    """

    encode: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]


def held_out(labels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which scenes are kept from training, [N]."""
    pairs = np.stack([labels["discs"], labels["squares"]], 1)
    return (pairs[:, None] == np.array(HELD_OUT)).all(-1).any(1)


def data() -> DataSet:
    """All scenes that are trained on, and as the test split those that are not."""
    source = scenes()
    images, labels = source.images["train"], source.labels["train"]
    away = held_out(labels)
    parts = {"train": ~away, "val": ~away, "test": away}
    return DataSet(
        Source(
            "scenes_apart",
            {split: images[torch.from_numpy(part)] for split, part in parts.items()},
            levels=2,
            labels={split: {name: values[part] for name, values in labels.items()} for split, part in parts.items()},
        )
    )


def of_run(folder: Path) -> Space:
    """The space of a run: E[z|x], draws of q(z|x), and the likeliest image."""
    model = load(folder)

    @torch.no_grad()
    def encode(images: np.ndarray) -> np.ndarray:
        q = model.encoder(torch.from_numpy(images)[:, None].float())
        return q.moments().mean.double().numpy()

    @torch.no_grad()
    def draw(images: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(images)[:, None].float()
        return model.encoder(x).from_noise(model.noise(1, x, generator("cpu", "counting"))).z[0].double().numpy()

    @torch.no_grad()
    def decode(codes: np.ndarray) -> np.ndarray:
        p = model.decoder(torch.from_numpy(codes)[None].float())
        return (p.mean[0, :, 0] > 0.5).numpy().astype(np.uint8)

    return Space(encode, draw, decode)


def of_pixels() -> Space:
    """The pixels themselves."""

    def flat(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1).astype(float)

    return Space(flat, flat, lambda z: (z > 0.5).astype(np.uint8).reshape(-1, *SHAPE))


def of_components(images: np.ndarray) -> Space:
    """As many principal components of what is trained on as z has units."""
    fitted = PCA(LATENT).fit(images.reshape(len(images), -1))
    pixels = of_pixels()

    def project(x: np.ndarray) -> np.ndarray:
        return fitted.transform(pixels.encode(x))

    return Space(project, project, lambda z: pixels.decode(fitted.inverse_transform(z)))


def told(known: np.ndarray, counts: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Counts of the asked codes, by ridge regression on the known ones, to the next whole number."""
    scale = np.maximum(known.std(0), 1e-9)
    weight = 1 / np.bincount(counts)[counts]  # Of four sprites there are most scenes.
    fitted = RidgeCV(PENALTIES).fit(known / scale, counts, weight)
    return np.rint(fitted.predict(asked / scale))


def counting(space: Space, trained: np.ndarray, counts: np.ndarray, away: np.ndarray, others: np.ndarray) -> Scores:
    """Shares of counts that are told right: of images that were trained on, of others, and of four from fewer."""
    codes, unseen = space.draw(trained), space.draw(away)
    few, many = counts < 4, np.concatenate([counts == 4, others == 4])
    everything = np.concatenate([codes, unseen])
    return {
        "count": among(codes, counts),
        "of E[z|x]": among(space.encode(trained), counts),
        "held out": right(told(codes, counts, unseen), others),
        "four": float((told(codes[few], counts[few], everything[many]) == 4).mean()),
    }


def among(codes: np.ndarray, counts: np.ndarray) -> float:
    """The share of counts told right in five folds, each by the other four."""
    found = np.zeros(len(counts))
    for known, asked in KFold(5, shuffle=True, random_state=0).split(codes):
        found[asked] = told(codes[known], counts[known], codes[asked])
    return right(found, counts)


def right(found: np.ndarray, counts: np.ndarray) -> float:
    """The share told right, a mean over the counts that there are."""
    return fmean(float((found[counts == count] == count).mean()) for count in np.unique(counts))


def sums(space: Space) -> Scores:
    """Shares of sums that decode to what arithmetic says, over all triples of cells."""
    cells = np.array(list(permutations(range(GRID**2), 3)))
    first, second, third = cells.T

    def codes(*held: tuple[np.ndarray, int]) -> tuple[np.ndarray, np.ndarray]:
        scene = np.zeros((len(cells), GRID**2), np.int64)
        for places, kind in held:
            scene[np.arange(len(cells)), places] = kind
        return space.encode(drawn(scene)), drawn(scene)

    def share(kind: int) -> tuple[float, float]:
        base = codes((first, 1), (second, 1))[0] - codes((first, 1))[0] + codes((third, kind))[0]
        target, image = codes((second, 1), (third, kind))
        return tuple(float((space.decode(z) == image).all((1, 2)).mean()) for z in (base, target))

    (unseen, decoded), (seen, _) = share(2), share(1)
    return {"unseen sum": unseen, "seen sum": seen, "decoded": decoded}


def measured(space: Space) -> Scores:
    """All columns of the table."""
    source = scenes()
    images, labels = source.images["train"][:, 0].numpy(), source.labels["train"]
    _, once = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    away, counts = held_out(labels)[once], labels["count"][once]
    apart = images[once]
    return counting(space, apart[~away], counts[~away], apart[away], counts[away]) | sums(space)


def runs_of(runs: Path, seeds: int, *, fits: bool) -> Iterator[tuple[str, list[Path]]]:
    """The folders of each row that is fitted, by its name."""
    aims = [(f"beta {beta:g}", {"beta": beta}) for beta in BETAS]
    aims.append(("autoencoder", {"beta": 0.0, "posterior": "deterministic"}))
    own = data()
    for name, flags in aims:
        folders = [runs / f"{name.replace(' ', '')}-seed{seed}" for seed in range(seeds)]
        for seed, folder in enumerate(folders * fits):
            place = {"name": folder.name, "run_dir": str(runs), "wandb": "off", "resume": "auto"}
            fit_model(FitConfig(**flags, **TRAINING, seed=seed, **place), data=own)
        yield name, [folder for folder in folders if (folder / "record.json").is_file()]


def line(name: str, rate: str, found: list[Scores]) -> str:
    """A row: means over seeds, with standard errors."""
    cells = [_cell([scores[column] for scores in found]) for column in COLUMNS]
    return f"| {' | '.join([name, rate, *cells])} |"


def _cell(values: list[float]) -> str:
    mean = f"{fmean(values):.3f}"
    return f"{mean} ± {stdev(values) / len(values) ** 0.5:.3f}" if len(values) > 1 else mean


def _rate(folders: list[Path]) -> str:
    rates = [RunRecord.read(folder).metrics["val"]["rate"]["value"] for folder in folders]
    return "undefined" if None in rates else f"{fmean(rates):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Counting and sums in latent spaces, across beta.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/counting"))
    parser.add_argument("--table", action="store_true", help="fit nothing")
    parser.add_argument("--write", action="store_true", help="put the table into docs/counting.md")
    options = parser.parse_args()
    trained = scenes().images["train"][:, 0].numpy()[~held_out(scenes().labels["train"])]
    lines = [f"| space | R, nats | {' | '.join(COLUMNS)} |", "|:---|---:|" + "---:|" * len(COLUMNS)]
    lines += [line("pixels (256)", "", [measured(of_pixels())])]
    lines += [line(f"PCA ({LATENT})", "", [measured(of_components(trained))])]
    for name, folders in runs_of(options.runs, options.seeds, fits=not options.table):
        if folders:
            lines.append(line(name, _rate(folders), [measured(of_run(folder)) for folder in folders]))
    print(text := "\n".join(lines))
    if options.write:
        put_table(text, command=COMMAND, file=DOCS)


if __name__ == "__main__":
    main()
