"""What `rate_distortion` returns: a mapping that prints as a table, leaves a record, and draws itself on the plane."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_rd.data.base import DataCard, Entropy
from vae_rd.errors import InputError
from vae_rd.functional.rate_distortion import objective_of
from vae_rd.functional.statistics import mean_and_stderr
from vae_rd.metrics.values import SplitValues
from vae_rd.run.environment import capture_environment, capture_git, command_line
from vae_rd.run.files import RECORD_FILE, new_folder
from vae_rd.run.folder import as_bad_input
from vae_rd.run.lock import locked
from vae_rd.run.record import Json, RunRecord, estimate
from vae_rd.run.summary import split_lines, with_error
from vae_rd.verdicts.base import Evidence
from vae_rd.verdicts.collapse import collapse_lines
from vae_rd.verdicts.kinds import judged
from vae_rd.verdicts.units import unit_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RateDistortionResult(Mapping[str, Any]):
    """The metrics of a record by name, each with its value, standard error and n; `print` shows them as a fit does.

    Attributes:
        metrics: as `record.json` has those of a split.
        values_per_example: per draw and example, float64: what all of them are means of.
        card: of the examples.
        split: that they are of.
        latent_dim: units of z.
        distortion: what D is.
        is_rate_analytic: whether R is the KL itself, and not a mean of draws; None where nobody says.
        beta: weight of R in training; None where it is not known.
        notes: lines that belong to the numbers.
    """

    def __init__(
        self,
        *,
        metrics: Json,
        values: SplitValues,
        card: DataCard,
        split: str,
        latent_dim: int,
        distortion: Json,
        is_rate_analytic: bool | None,
        beta: float | None,
        seed: int,
        device: str,
        seconds: float,
        notes: Sequence[str] = (),
        network: Json | None = None,
    ) -> None:
        self.metrics, self.values_per_example, self.card, self.split = metrics, values, card, split
        self.latent_dim, self.distortion, self.is_rate_analytic = latent_dim, distortion, is_rate_analytic
        self.beta, self.seed, self.device, self.seconds = beta, seed, device, seconds
        self.notes, self.network = tuple(notes), network

    def __getitem__(self, name: str) -> Any:
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    @property
    def verdicts(self) -> Json:
        """Those of a record: "collapse" says in `state` what z is good for."""
        return {"collapse": None, "fit": None, "training": [], **judged(self._evidence())}

    def _evidence(self) -> Evidence:
        return Evidence({"test": self.metrics}, self.latent_dim, (), self._model(self.beta), self.card.to_json())

    def lines(self) -> list[str]:
        """What `print` shows: D, R and I with standard errors, H, what R is, the verdict, the units, notes."""
        record = self.record("", beta=self.beta)
        lines = split_lines(record, [self.split])
        entropy = self.card.entropy[self.split]
        if entropy.value is not None:
            lines.append(f"H = {entropy.value:.4f} nats ({entropy.source}){self._held_to(entropy)}")
        if self.is_rate_analytic is not None:
            other = with_error(self.metrics["rate_monte_carlo"])
            of_draws = "R is the mean of ln q(z|x) - ln m(z) of the draws: this pair of q and m has no known KL"
            lines.append(f"R is the KL, in closed form; by draws {other}" if self.is_rate_analytic else of_draws)
        lines += collapse_lines(record.verdicts["collapse"])
        return [*lines, *unit_lines(self.metrics), *(f"note: {note}" for note in self.notes)]

    def _held_to(self, entropy: Entropy) -> str:
        """What H says of I: of examples that are counted nothing, where D is of a density."""
        if entropy.measure != (self.distortion["measure"] or self.card.measure):
            return ", counted; D is of a density, so that H - D bounds nothing"
        d = self.metrics["distortion"]
        lower = None if d["value"] is None or entropy.value is None else entropy.value - d["value"]
        return f": H - D = {with_error({'value': lower, 'stderr': d['stderr']})} <= I <= R"

    def record(self, folder: str, *, beta: float | None, name: str | None = None) -> RunRecord:
        """The record of a run that was fitted elsewhere, with these as its metrics."""
        d, r = self.metrics["distortion"], self.metrics["rate"]
        known = beta is not None and d["value"] is not None and r["value"] is not None
        objective = self._objective(beta) if known and beta is not None else {**d, "value": None, "stderr": None}
        return RunRecord(
            name=name or folder,
            command=command_line(),
            config={"latent_dim": self.latent_dim, "seed": self.seed, "data": self.card.name, "beta": beta},
            data=self.card.to_json() | {"is_own": True, "file_sha256": None},
            model=self._model(beta) | {"name": name},
            status="finished",
            metrics={self.split: self.metrics | {"objective": objective}},
            verdicts=self.verdicts,
            environment=capture_environment(self.device),
            git=capture_git() if folder else None,
            seconds=round(self.seconds, 3),
        )

    def _objective(self, beta: float) -> Json:
        values = self.values_per_example
        assert values.rate is not None
        whole = self.card.population[self.split]
        mean, stderr = mean_and_stderr(objective_of(values.distortion, values.rate, beta), population=whole)
        n = values.distortion.shape[1]
        return estimate(mean, stderr, n, resampled="z" if whole else "x, z")

    def _model(self, beta: float | None) -> Json:
        return {
            "kind": "foreign",
            "is_own": True,
            "network": self.network,
            "latent_dim": self.latent_dim,
            "kept_epoch": None,
            "slope": beta,
            "achieved_slope": beta,
            "target_rate": None,
            "target_distortion": None,
            "distortion": self.distortion,
            "rate_is_analytic": self.is_rate_analytic,
            "notes": list(self.notes),
        }

    def save(
        self, folder: str | Path, *, beta: float | None = None, name: str | None = None, overwrite: bool = False
    ) -> Path:
        """Leave `folder/record.json`, which `analysis` draws beside everybody else's runs.

        Args:
            folder: of the run, such as "runs/mine"; made where it is missing.
            beta: weight of R in training, whose slope the plane draws; None takes that of `rate_distortion`.
            name: of the model, which figures and tables call it by and join its betas under; None for none, where only
                the folder's name tells it from others.
            overwrite: whether a record that is there may be replaced.

        Returns:
            The record's path.

        Raises:
            InputError: where there is another record, or nothing can be written.
        """
        folder, beta = Path(folder), self.beta if beta is None else check_beta(beta)
        with as_bad_input(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder, instead="folder"):
                if (folder / RECORD_FILE).exists() and not overwrite:
                    raise InputError(f"{folder}: a record is there already; give overwrite=True, or another folder")
                with new_folder(folder):
                    return self.record(folder.resolve().name, beta=beta, name=name).write(folder)

    def plane(self, ax: Axes | None = None) -> Any:
        """Draw it on the rate-distortion plane with its bounds on I: a whole figure, or its marks on given axes.

        Args:
            ax: axes of one's own; None for a figure of its own.

        Returns:
            The Figure, or the axes that were given.
        """
        from analysis import load_runs, plane, rd_points
        from analysis.marks.within import information_within
        from analysis.statistics.bounds import add_bounds

        with tempfile.TemporaryDirectory() as place:
            self.save(Path(place) / "this")
            runs = load_runs([place])
            if ax is None:
                return plane(runs, split=self.split)
            rows = add_bounds(runs, split=self.split)
            rd_points(rows, split=self.split, ax=ax)
            return information_within(rows[rows["split"] == self.split], ax=ax)


def check_beta(beta: float) -> float:
    """A weight of R.

    Raises:
        InputError: for what is none.
    """
    if not isinstance(beta, int | float) or not (math.isfinite(beta) and beta >= 0):
        raise InputError(f"beta: {beta!r} is no weight of R; give a number from 0 on, or None")
    return float(beta)
