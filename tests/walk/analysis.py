"""Figures and tables of runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis import load_runs, plane
from analysis.__main__ import main
from analysis.rows import groups
from analysis.sources import wandb_runs

from walk.runs import AGAIN, ANEW, FITTED, after_fit, changed, without
from walk.steps import LEVELS, Call, Step, archive, changed_variable, each, evaluated, fitted, limited, step, written
from walk.steps import without as absent


def drawn(*words: str) -> Call:
    return lambda: main(list(words))


def metrics(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A record with other metrics."""

    def rewrite(folder: Path) -> None:
        content = json.loads((folder / "record.json").read_text())
        change(content["metrics"])
        (folder / "record.json").write_text(json.dumps(content))

    return rewrite


def without_slope(folder: Path) -> None:
    """A record of a run that aimed at no beta, and did not come to one."""
    content = json.loads((folder / "record.json").read_text())
    content["model"] |= {"slope": None, "achieved_slope": None}
    (folder / "record.json").write_text(json.dumps(content))


def in_python(**view: Any) -> Call:
    return lambda: plane(load_runs("runs"), **view)


def moved() -> None:
    """A figure's account whose command was given in a folder that is gone."""
    path = Path("away/plane.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"made_in": "../gone"}))


def spoilt(name: str) -> Callable[[Path], object]:
    """A file of the run that is none of its kind."""
    return lambda folder: (folder / name).write_text("{")


def anew(*words: str) -> Call:
    return each(ANEW, drawn(*words))


def answered(**answer: object) -> Callable[[Call], Call]:
    """A call to which W&B answers this."""
    return lambda call: limited(wandb_runs, "_ask", lambda entry, **request: answer, call)


def at_wandb(call: Call) -> Call:
    return answered(folders=["runs/a"], left_out=[])(call)


def published(**words: str) -> Call:
    """A plane with published points of which this is said."""
    said = {"rate": "R", "distortion": "D", "data": "npz", "likelihood": "bernoulli"} | words
    option = ",".join(f"{key}={value}" for key, value in said.items() if value)
    return drawn(*PLANE, "-o", "a.png", "--foreign", f"theirs.csv:{option}")


THEIRS = each(FITTED, written("theirs.csv", "R,D\n4,20\n6,10\n"))
COLUMNS = "--wandb_columns=beta=config.beta,rate=R,distortion=D"
GREY = ("--data=npz", "--data_file=own.npz", "--likelihood=gaussian", "--name=grey")
TABLE, PLANE, CURVES = ("table", "runs"), ("plane", "runs"), ("curves", "runs")
STEPS: list[Step] = [
    step("see --help", drawn("pane", "runs"), drawn("plane", "runs"), before=FITTED),
    step(
        "end the name in .pdf, .svg, .png; the suffix picks the format",
        drawn(*PLANE, "-o", "a.jpg"),
        drawn(*PLANE, "-o", "a.png"),
        before=FITTED,
    ),
    step(
        "end the name in .md, .tex, .csv; the suffix picks the format",
        drawn(*TABLE, "-o", "a.txt"),
        drawn(*TABLE, "-o", "a.md"),
        drawn(*TABLE, "-o", "a.tex"),
        drawn(*TABLE, "-o", "a.csv"),
        before=FITTED,
    ),
    step(
        "a folder has that name; choose another",
        drawn(*TABLE, "-o", "a.md"),
        drawn(*TABLE, "-o", "b.md"),
        before=each(FITTED, lambda: Path("a.md").mkdir()),
    ),
    step(
        "which is read here; choose another name",
        drawn(*PLANE, "-o", "runs/a/record.png"),
        drawn(*PLANE, "-o", "runs/a/plane.png"),
        before=FITTED,
    ),
    step("give another place", drawn(*TABLE, "-o", "bits.npz/a.md"), drawn(*TABLE, "-o", "b/a.md"), before=FITTED),
    step(
        "finish one with --resume auto",
        drawn(*TABLE),
        each(AGAIN, drawn(*TABLE)),
        before=after_fit(changed(status="interrupted")),
    ),
    step(
        "evaluate or fit the run again",
        drawn(*TABLE),
        anew(*TABLE),
        before=after_fit(metrics(lambda m: m["test"].update(rate="much"))),
    ),
    step(
        "evaluate the runs again, or choose another --split",
        drawn(*TABLE),
        drawn(*TABLE, "--split=val"),
        each(evaluated("runs"), drawn(*TABLE)),
        before=after_fit(metrics(lambda m: m.pop("test"))),
    ),
    step(
        "choose another --split",
        drawn(*PLANE),
        drawn(*PLANE, "--split=val"),
        before=after_fit(metrics(lambda m: m["test"]["distortion"].update(value=None, stderr=None))),
    ),
    step(
        "leave it out, or fit with --dequantize uniform",
        drawn(*TABLE, "--units=bits_per_dim"),
        drawn(*TABLE),
        each(fitted(*GREY, "--overwrite", "--dequantize=uniform"), drawn(*TABLE, "--units=bits_per_dim")),
        before=each(archive(images=LEVELS), fitted(*GREY)),
    ),
    step(
        "a frontier is chosen on val: evaluate the runs again",
        drawn("frontier", "runs"),
        each(evaluated("runs"), drawn("frontier", "runs")),
        before=after_fit(metrics(lambda m: m.pop("val"))),
    ),
    step(
        "nothing to draw over beta; draw the plane",
        drawn("beta", "runs"),
        drawn(*PLANE),
        before=after_fit(without_slope),
    ),
    step(
        "nothing to take apart; draw the plane",
        drawn("decomposition", "runs"),
        drawn(*PLANE),
        before=after_fit(metrics(lambda m: m["test"]["rate"].update(value=None, stderr=None))),
    ),
    step(
        "no way through the plane; draw the curves",
        drawn("fit", "runs"),
        drawn(*CURVES),
        before=fitted("--posterior=deterministic", "--beta=0"),
    ),
    step(
        "run python -m vae_rd.evaluate RUNS --probe first",
        drawn("information", "runs"),
        each(evaluated("runs", "--probe", "--examples=30"), drawn("information", "runs")),
        before=fitted("--data=digits", "--binarization=threshold"),
    ),
    step(
        "run python -m vae_rd.evaluate RUNS --media first",
        drawn("samples", "runs"),
        each(evaluated("runs", "--media"), drawn("samples", "runs")),
        before=fitted("--name=a", "--media_every=0"),
    ),
    *(
        step(
            "run python -m vae_rd.evaluate runs/a --media first",
            drawn(figure, "runs"),
            each(evaluated("runs/a", "--media"), drawn(figure, "runs")),
            before=after_fit(spoilt(file)),
        )
        for figure, file in (("samples", "media/index.json"), ("latents", "latents.npz"))
    ),
    step(
        "leave it out, there are no labels",
        drawn("latents", "runs", "--factor=kind"),
        drawn("latents", "runs"),
        before=FITTED,
    ),
    step("fit the run again with --overwrite", drawn(*CURVES), anew(*CURVES), before=after_fit(without("history.csv"))),
    step(
        "fit the run again with --overwrite",
        drawn(*CURVES),
        anew(*CURVES),
        before=after_fit(lambda folder: (folder / "history.csv").write_text("epoch\n1\n")),
    ),
    *(
        step(says, drawn(*TABLE, "--select", wrong), drawn(*TABLE, "--select", right), before=FITTED)
        for says, wrong, right in (
            ("give comparisons joined by and, or, not", "beta <", "beta < 10"),
            ("give comparisons joined by and, or, not", "beta", "not beta > 10"),
            ("give comparisons joined by and, or, not", "beta < len('a')", "beta < 10 and data == 'npz'"),
            ("give comparisons joined by and, or, not", "data in 'npz'", "data in ['npz', 'mnist']"),
            ("did you mean beta?", "bet < 10", "beta < 10"),
            ("put a word into quotes", "prior == normal", "prior == 'normal'"),
            ("holds for none of 1 runs; change it", "beta > 10", "beta < 10"),
        )
    ),
    step(
        "did you mean prior?",
        drawn(*PLANE, "--group_by=prio"),
        drawn(*PLANE, "--group_by=prior"),
        before=FITTED,
    ),
    step(
        "give fewer fields, or --select runs",
        limited(groups, "MOST_ASKED", 1, drawn(*PLANE, "--group_by=latent_dim,decoder")),
        limited(groups, "MOST_ASKED", 1, drawn(*PLANE, "--group_by=decoder")),
        limited(groups, "MOST_ASKED", 1, drawn(*PLANE, "--group_by=latent_dim,decoder", "--select=latent_dim == 3")),
        before=each(FITTED, fitted("--latent_dim=3", "--name=b")),
    ),
    step(
        "give the .json beside a figure or report",
        drawn("redo", "figures/plane.json"),
        each(drawn(*PLANE), drawn("redo", "figures/plane.json")),
        before=FITTED,
    ),
    step(
        "give the .json that lies beside one",
        drawn("redo", "runs/a/record.json"),
        drawn("redo", "figures/plane.json"),
        before=each(FITTED, drawn(*PLANE)),
    ),
    step(
        "carry out its command where the runs are",
        drawn("redo", "away/plane.json"),
        drawn(*PLANE),
        before=each(FITTED, drawn("plane", "runs", "-o", "away/plane.pdf"), moved),
    ),
    step(
        "pip install 'vae_rd[report]'",
        absent("plotly.offline", drawn("report", "runs")),
        drawn("report", "runs"),
        before=FITTED,
    ),
    step(
        "write beta=COLUMN,rate=COLUMN,distortion=COLUMN",
        at_wandb(drawn("table", "wandb:a/b", "--wandb_columns=rate=R")),
        at_wandb(drawn("table", "wandb:a/b", COLUMNS)),
        before=FITTED,
    ),
    step(
        "write wandb:ENTITY/PROJECT or wandb:ENTITY/PROJECT/SWEEP",
        at_wandb(drawn("table", "wandb:b")),
        at_wandb(drawn("table", "wandb:a/b")),
        at_wandb(drawn("table", "wandb:a/b/c")),
        before=FITTED,
    ),
    step(
        "send them with `wandb sync`, or name columns of other code with --wandb_columns",
        answered(folders=[], left_out=[["a", "running"]])(drawn("table", "wandb:a/b")),
        at_wandb(drawn("table", "wandb:a/b")),
        at_wandb(drawn("table", "wandb:a/b", COLUMNS)),
        before=FITTED,
    ),
    step(
        "see to the login (`wandb login`), the server and the names",
        each(changed_variable({"WANDB_BASE_URL": "http://127.0.0.1:9"}), drawn("table", "wandb:a/b")),
        at_wandb(drawn("table", "wandb:a/b")),
        before=FITTED,
    ),
    step("write FILE:rate=COLUMN", published(rate=""), published(), before=THEIRS),
    step("say units=nats, bits, bits_per_dim or bpp", published(units="ban"), published(units="bits"), before=THEIRS),
    step("say data=NAME; the runs are of npz", published(data=""), published(), before=THEIRS),
    step(
        "leave it linear",
        drawn(*PLANE, "--log=x"),
        drawn(*PLANE),
        before=after_fit(metrics(lambda m: m["test"]["rate"].update(value=0.0))),
    ),
    step("take light or dark", in_python(theme="grey"), in_python(theme="dark"), before=FITTED),
    step("take one of ", in_python(venue="nature"), in_python(venue="icml"), before=FITTED),
]
