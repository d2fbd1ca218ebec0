"""Run folders to a tidy table of `record.json`, with a row per run and split.

Columns of `load_runs`, in the order of the record; undefined is NaN (numbers) or None (words):

- `run`, `folder`, `data`, `beta` (the slope -dD/dR that training aimed at), `seed`, `latent_dim`, `collapsed`,
  `kept_epoch`: the run;
- `collapse_beta`: from which on a linear VAE of the run's training data collapses, by its forecast;
- `likelihood` (its family; None for a network given from Python), `likelihood_scale` (of a fixed Gaussian scale);
- `start`: the run whose weights training started from, if any;
- `config`: what else may affect the numbers, as JSON: flags, and which networks they are, if not those of the flags;
- `made`: the version and commit of the code that fitted it and the record's checksum, as JSON;
- `target_rate`, `target_distortion`: the R or D that was asked for, of a run without beta;
- `achieved_slope`: -dD/dR of the kept checkpoint, beta or what a multiplier had come to;
- `split`, `population` (the split is the whole source), `n` (None where it is not
  known), `dims` (observed dimensions), `units`, `card`: the split;
- `levels` (of pixel counts that noise made a density of; NaN for others), `pixel_scale` (of a
  density): see `analysis.rows.scale`;
- each of `METRICS` under its name in the record, with `_stderr`, and the `_cap`, `_kind` and `_method` that some have;
- `active_units`;
- `entropy` with `_stderr`, `_kind`, `_measure` and `_source`: H of the split, as far as the record knows it;
- `nll`, with `_stderr`, `_kind` and `_source`: of the run's estimates of -E ln p(x) on the split, those of
  the most examples, and of these that of the least upper limit. Each bounds the NLL from above in expectation; the
  least value itself would be the luckiest one;
- `marginal_rate`, with `_stderr` and `_source`: R under a prior fitted afterwards, chosen likewise; it bounds I
  from above, and stands for the record's own bound where it is the tighter one.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd

from analysis.rows.aims import AIMS
from analysis.rows.data_sets import first_cards
from analysis.rows.finding import Runs, RunWarning, account_for, find_records, told_apart, without_copies
from analysis.rows.reading import AGAIN, Damaged, Part
from analysis.rows.scale import Scale, dequantised_levels
from analysis.rows.starts import name_starts
from vae_rd.errors import InputError
from vae_rd.run.files import RECORD_FILE, sha256
from vae_rd.run.record import SPLITS, RunRecord, Unreadable
from vae_rd.units import Unit, check_units

METRICS = (
    "distortion",
    "rate",
    "elbo",
    "objective",
    "mutual_information_lower",
    "mutual_information_leave_one_out",
    "mutual_information_upper",
    "marginal_kl_lower",
    "marginal_kl_upper",
    "decoder_kl",
)
DENSITY = ("grey", "real")  # Supports of x whose D is that of a density, unless a record says otherwise.
NLL_KINDS = ("importance", "prior", "ais")
MARGINAL = "marginal_"  # What the kinds of R under a fitted prior begin with.
LIMIT = 3.0  # standard errors from a value to the limit by which it is judged
Row = dict[str, Any]


def load_runs(runs: Runs, *, units: Unit = "nats") -> pd.DataFrame:
    """One row per finished run and split, sorted by data, beta and seed; the columns are listed at the module.

    Args:
        runs: run folders, globs, or folders of runs.
        units: of every information quantity; `bits_per_dim` divides by the observed dimensions, and D and H are then
            those of pixel counts, where these are dequantised.

    Raises:
        InputError: when an entry leads to no record, or no run is finished and can be read, and for bits per
            dimension of a density that is not of dequantised pixels.

    Warns:
        RunWarning: one line that names the runs left out because they are not finished, one those whose records cannot
            be read, one those of a later schema, one that names the copies.
    """
    records, rows = find_records(runs), list[Row]()
    for folder, record in without_copies(records.finished):
        try:
            rows += _rows(record, folder, units)
        except Damaged as damage:
            records.faults[folder] = Unreadable(f"damaged, {damage}", AGAIN)
    account_for(records, shown=len(rows))
    found = pd.DataFrame(rows)
    if found["n"].isna().any():  # Whole numbers beside one that is not known would become floats.
        found["n"] = pd.Series([row["n"] for row in rows], dtype=object)
    found["card"] = found["card"].map(first_cards(found["card"]))
    found["config"] = name_starts(rows)
    return found.sort_values(["data", *AIMS, "seed", "folder"], kind="stable", ignore_index=True)


def _rows(record: RunRecord, folder: Path, units: Unit) -> list[Row]:
    if record.units != "nats":
        raise Damaged(f"units {record.units!r} are not nats")
    run, measured = _run(record, folder), [split for split in SPLITS if split in record.metrics]
    if not measured:
        raise Damaged("a finished run without metrics")
    return [run | _on_split(record, split, units) for split in measured]


def _run(record: RunRecord, folder: Path) -> Row:
    """The columns that are the same for all splits."""
    config, model = Part(record.config, "config"), Part(record.model, "model")
    distortion = model.part("distortion")
    return {
        "run": record.name,
        "folder": str(folder),
        "data": Part(record.data, "data").word("name"),
        "beta": model.number("slope"),
        "achieved_slope": model.maybe("achieved_slope"),
        "seed": config.whole("seed"),
        "latent_dim": _latent_dim(record),
        "collapsed": Part(record.verdicts, "verdicts").optional("collapse").truth("collapsed"),
        "collapse_beta": model.optional("forecast").maybe("collapse_beta"),
        "likelihood": distortion.word("family"),
        "likelihood_scale": distortion.number("scale"),
        "kept_epoch": model.number("kept_epoch"),
        "start": model.optional("start").word("run"),
        "config": json.dumps(_settings(record)),
        "made": json.dumps(_made(record, folder)),
    }


def _made(record: RunRecord, folder: Path) -> Row:
    """Which code fitted a run, and which record of it this is."""
    git = Part(record.git or {}, "git")
    return {"version": record.version, "commit": git.word("commit"), "record_sha256": sha256(folder / RECORD_FILE)}


def _latent_dim(record: RunRecord) -> int:
    """Units of z: those of the model; a flag says nothing of a network from Python."""
    verdict = Part(record.verdicts, "verdicts").optional("collapse")
    stated = (Part(record.model, "model"), verdict, Part(record.config, "config"))
    return next(part for part in stated if part is stated[-1] or "latent_dim" in part).whole("latent_dim")


def _on_split(record: RunRecord, split: str, units: Unit) -> Row:
    metrics, card = Part(record.metrics, "metrics").part(split), Part(record.data, "data")
    measure = Part(record.model, "model").part("distortion").word("measure")
    is_mass, dims, levels = measure == "discrete", math.prod(card.wholes("shape")), dequantised_levels(card)
    if math.isnan(levels):
        params = {"target": card.part("params").word("target")}
        check_units(units, {"name": card.text("name"), "support": card.word("support"), "params": params}, measure)
    scale = Scale.of(units, dims=dims, levels=levels)
    facts = {k: v for k, v in record.data.items() if k not in ("entropy", "population")}
    facts |= {"content": card.word("content")} if "content" in facts else {}
    if is_mass and card.word("support") in DENSITY:  # Of one data set, but no number to hold a density's against.
        facts["D"] = "of a probability"
    place = {
        "split": split,
        "target_rate": scale.per_nat * Part(record.model, "model").maybe("target_rate"),
        "target_distortion": scale.per_nat * Part(record.model, "model").maybe("target_distortion"),
        "population": bool(card.part("population").value(split)),
        "n": _count(metrics.part("distortion")),
        "dims": dims,
        "units": units,
        "levels": levels,
        "pixel_scale": None if is_mass else card.word("pixel_scale"),
        "card": json.dumps(facts, sort_keys=True),
    }
    measured = {k: v for name in METRICS for k, v in _flat(name, metrics.optional(name), scale).items()}
    counts = {"active_units": metrics.optional("active_units").maybe("value")}
    estimated = _nll(record, split, scale) | _marginal(record, split, scale)
    entropy = _entropy(card, split, scale, is_mass=is_mass)
    return place | _tightened(measured, estimated) | counts | entropy | estimated


def _count(entry: Part) -> int | None:
    """Of how many examples a number is; None where other code made it, and nobody said."""
    return None if entry.value("n") is None else entry.whole("n")


def _settings(record: RunRecord) -> Row:
    """What may set a run apart from others of its data set, aim and seed."""
    model = Part(record.model, "model")
    name = model.word("name")
    known: Row = {"latent_dim": _latent_dim(record), "model": name or model.word("kind") or record.kind}
    known |= {} if name else {"networks": _networks(model)}
    if (way := model.optional("start").word("direction")) is not None:  # Runs of a chain start from another one each.
        known |= {"direction": way}
    own = ("data", *AIMS, "seed", *(["start_from"] if way else []))
    return {k: v for k, v in record.settings.items() if k not in own} | known


def _networks(model: Part) -> str | Row:
    """Those of the flags, or what is known of one from Python."""
    network = model.optional("network")
    if not model.content.get("is_own"):
        return "by flags"
    return {"class": network.text("class"), "digits": network.text("fingerprint")[:6]} if network.content else "own"


def _flat(name: str, entry: Part, scale: Scale) -> Row:
    """One metric of the record as columns: name, name_stderr and the details that belong to it."""
    spread = scale.per_nat * entry.maybe("stderr")
    row: Row = {name: scale.shown(name, entry.maybe("value")), f"{name}_stderr": spread}
    if name == "mutual_information_lower":
        row |= {f"{name}_cap": scale.per_nat * entry.maybe("cap"), f"{name}_kind": entry.word("kind")}
    if name == "mutual_information_upper":
        row |= {f"{name}_method": entry.word("method")}
    return row


def _entropy(card: Part, split: str, scale: Scale, *, is_mass: bool) -> Row:
    """H as far as D + R can be held to it: where D is of a density, that of distinct images is left out."""
    entry = card.part("entropy").part(split)
    if not is_mass and card.word("support") in DENSITY and entry.word("measure") == "discrete":
        entry = Part({"measure": "differential"}, entry.name)
    words = {f"entropy_{key}": entry.word(key) for key in ("kind", "measure", "source")}
    return _flat("entropy", entry, scale) | words


def _nll(record: RunRecord, split: str, scale: Scale) -> Row:
    best = _least(record, split, lambda kind: kind in NLL_KINDS)  # Under the run's own prior.
    return _flat("nll", best, scale) | {f"nll_{key}": best.word(key) for key in ("kind", "source")}


def _marginal(record: RunRecord, split: str, scale: Scale) -> Row:
    best = _least(record, split, lambda kind: kind.startswith(MARGINAL))
    return _flat("marginal_rate", best, scale) | {"marginal_rate_source": best.word("source")}


def _least(record: RunRecord, split: str, is_one: Callable[[str], bool]) -> Part:
    """Of the estimates of some kinds on a split, those of the most examples, and of these the least upper limit's."""
    entries = [Part(entry, "estimate") for entry in record.estimates]
    found = [e for e in entries if is_one(e.text("kind")) and e.text("split") == split and "value" in e]
    found = [entry for entry in found if entry.word("marginal") is None]
    most = max((entry.whole("n") for entry in found), default=0)
    widest = [entry for entry in found if entry.whole("n") == most]  # A subset is no match for the split.
    limits = [_limit(entry.number("value"), entry.number("stderr")) for entry in widest]
    return widest[limits.index(min(limits))] if widest else Part({}, "estimate")


def _tightened(measured: Row, estimated: Row) -> Row:
    """The metrics with R under a fitted prior for the upper bound on I, where its limit is the lower one."""
    bound, fitted = "mutual_information_upper", "marginal_rate"
    limits = [_limit(row[name], row[f"{name}_stderr"]) for row, name in ((estimated, fitted), (measured, bound))]
    if measured["mutual_information_lower_kind"] != "bound" or not limits[0] < limits[1]:
        return measured
    tighter = {bound: estimated[fitted], f"{bound}_stderr": estimated[f"{fitted}_stderr"]}
    return measured | tighter | {f"{bound}_method": "fitted marginal"}


def _limit(value: float, stderr: float) -> float:
    return value + LIMIT * (0.0 if math.isnan(stderr) else stderr)


def as_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame as mappings from column to value."""
    return cast(list[Row], frame.to_dict("records"))


def is_gan(run: Mapping[str, Any]) -> bool:
    """Whether a row of `load_runs` is of a model without q(z|x), which has samples and the decoder's curve alone."""
    return json.loads(run["config"]).get("model") == "gan"


def measured_on(runs: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows, of all splits, of the runs that have metrics on one of them; see `of_runs_on`."""
    return of_runs_on(runs, runs, split, lacking="metrics", remedy="evaluate the runs again, or choose another --split")


def of_runs_on(runs: pd.DataFrame, known: pd.DataFrame, split: str, *, lacking: str, remedy: str) -> pd.DataFrame:
    """The known rows, of all splits, of the runs that have one of a split among them.

    Args:
        runs: all rows.
        known: those of them that count.
        split: on which a run must have one.
        lacking: what the other runs are without.
        remedy: what to do where all are.

    Raises:
        InputError: where no run has one.

    Warns:
        RunWarning: one line that names the runs left out.
    """
    folders = set(known["folder"][known["split"] == split])
    if missing := told_apart(runs, set(runs["folder"]) - folders):
        message = f"no {lacking} on the {split} split: {', '.join(missing)}"
        if not folders:
            raise InputError(f"{message}; {remedy}")
        warnings.warn(f"left out, {message}", RunWarning, stacklevel=4)
    return known[known["folder"].isin(folders)].reset_index(drop=True)


def of_split(runs: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of one split; refused and warned of as in `measured_on`."""
    found = measured_on(runs, split)
    return found[found["split"] == split]
