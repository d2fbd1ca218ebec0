"""Finished runs measured again: `python -m vae_rd.evaluate`, and `evaluate_run` and `load` from Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vae_rd import DiagonalNormal, FitConfig, evaluate_run, explore_run, generate
from vae_rd.estimates.base import Fitted, Settings
from vae_rd.estimates.information import check_information
from vae_rd.experiment.loading import load, open_run
from vae_rd.experiment.measuring import check_estimates
from vae_rd.explore import __main__ as explore
from vae_rd.process import collectives
from vae_rd.run.folder import KEPT

from helpers.own import own_vae
from walk.networks import Given, data
from walk.runs import AGAIN, RUN, after_fit, changed, rewritten, unsealed
from walk.steps import BITS, Call, Step, archive, each, evaluated, fitted, limited, step

NAMED = ("--name=a",)
RUNS = each(fitted("--name=a"), fitted("--name=b"))


def measured(*kinds: str, **settings: object) -> Call:
    return lambda: evaluate_run("runs/a", *kinds, **settings)


def drawn(*words: str) -> Call:
    return lambda: generate.main(["runs/a", "-n", "2", *words])


def explored(*words: str) -> Call:
    return lambda: explore.main(["runs/a", *words])


def of(says: str, kind: str, flags: tuple[str, ...], *instead: tuple[str, ...]) -> Step:
    """An estimate that a run cannot have, and runs that can; what it takes to make it is not spent."""
    asked = checked(kind)

    remedies = (each(fitted(*NAMED, "--overwrite", *other), asked) for other in instead)
    return step(says, asked, *remedies, before=fitted(*NAMED, *flags))


def checked(kind: str, **settings: Any) -> Call:
    return lambda: check_estimates(open_run("runs/a"), Settings(**settings), [kind])


def labelled(**columns: Callable[[np.ndarray], np.ndarray]) -> Call:
    """A run on `own.npz`, whose images have these labels in splits of their own."""
    rows = np.arange(40)
    fields = np.rec.fromarrays([column(rows) for column in columns.values()], names=list(columns))
    parts = {"train": rows < 20, "val": (rows >= 20) & (rows < 30), "test": rows >= 30}
    arrays = {f"{name}_{split}": of[part] for name, of in (("x", BITS), ("y", fields)) for split, part in parts.items()}
    return each(archive(**arrays), fitted(*NAMED, "--overwrite", "--data=npz", "--data_file=own.npz"))


class OneBlock(DiagonalNormal):
    """A normal q(z|x) that does not say that its units are independent."""

    def factors(self) -> None:
        return None


def made_of(posterior: type[DiagonalNormal]) -> Fitted:
    """A run of one's own network with such a q(z|x)."""
    model = own_vae()
    encoder = model.encoder
    model.encoder = Given(lambda x: posterior(*encoder.net(x).chunk(2, dim=-1)))
    return Fitted(Path("runs/a"), FitConfig(), model, data(), 1.0)


FRESH = ("--data=gaussian", "--likelihood=gaussian", "--n_test=16", "--n_train=16")
CATEGORICAL = ("--posterior=categorical", "--prior=categorical")
NORMAL = ("--posterior=diagonal", "--prior=normal")
BOTTLENECK = ("--data=digits", "--binarization=threshold", "--target=label", "--likelihood=categorical")
POINT = ("--posterior=deterministic", "--beta=0")
STEPS: list[Step] = [
    step(
        "mend what its error.log says, and go on with --resume auto or begin anew with --overwrite",
        evaluated("runs/a"),
        each(fitted(*NAMED, "--overwrite"), evaluated("runs/a")),
        before=lambda: fitted(*NAMED, "--lr=1e10", "--max_steps=4")(),
    ),
    step(
        "mend what its error.log says, and go on with --resume auto or begin anew with --overwrite",
        evaluated("runs/a"),
        each(AGAIN, evaluated("runs/a")),
        before=after_fit(changed(status="failed")),
    ),
    step(
        "fit the run again with --overwrite",
        evaluated("runs/a"),
        each(fitted(*NAMED, "--overwrite"), evaluated("runs/a")),
        before=after_fit(unsealed(lambda folder: (folder / "history.csv").write_text("epoch\n1\n"))),
    ),
    step("give the folder of a run", lambda: load("runs/none"), lambda: load("runs/a"), before=RUNS),
    step(
        "choose its own, by leaving beta out",
        lambda: load("runs/a", beta=4.0),
        lambda: load("runs/a"),
        lambda: load("runs/a", beta=1.0),
        before=RUNS,
    ),
    step(
        "give all machines the same",
        limited(collectives, "all_gather", lambda mine: {0: mine, 1: "others"}, evaluated("runs/a")),
        evaluated("runs/a"),
        before=RUNS,
    ),
    step(
        "the following arguments are required: RUN; see --help",
        evaluated(),
        evaluated("--help"),
        evaluated("runs/a"),
        before=RUNS,
    ),
    step(
        "give a whole number from 2 on",
        evaluated("runs/a", "--nll=importance", "--samples=1"),
        evaluated("runs/a", "--nll=importance", "--samples=2"),
        before=RUNS,
    ),
    step(
        "belongs to --nll importance, --nll prior, --gaps; add one of these, or leave it out",
        evaluated("runs/a", "--samples=9"),
        evaluated("runs/a", "--samples=9", "--nll=importance"),
        evaluated("runs/a", "--samples=9", "--nll=prior"),
        evaluated("runs/a"),
        before=RUNS,
    ),
    step(
        "estimates are printed in nats; leave it out, or all estimates",
        evaluated("runs/a", "--nll=importance", "--samples=9", "--units=bits"),
        evaluated("runs/a", "--nll=importance", "--samples=9"),
        evaluated("runs/a", "--units=bits"),
        before=RUNS,
    ),
    step(
        "give run folders, folders of runs, or globs of them",
        evaluated("none"),
        evaluated("runs/a"),
        evaluated("runs"),
        evaluated("runs/*"),
        before=RUNS,
    ),
    step(
        "leave out all other options but --data_file",
        evaluated("runs/a", "--media", "--split=val"),
        evaluated("runs/a", "--media"),
        before=RUNS,
    ),
    step(
        "no media can be written there (File exists); make room",
        evaluated("runs/a", "--media"),
        each(lambda: (RUN / "media").unlink(), evaluated("runs/a", "--media")),
        before=after_fit(lambda folder: [shutil.rmtree(folder / "media"), (folder / "media").write_text("")]),
    ),
    step(
        "finish it with --resume auto",
        evaluated("runs/a"),
        each(fitted(*NAMED, "--resume=auto"), evaluated("runs/a")),
        before=each(RUNS, lambda: changed(status="interrupted")(RUN)),
    ),
    step(
        "none of the 1 runs is finished; finish one with --resume auto",
        evaluated("runs"),
        each(AGAIN, evaluated("runs")),
        before=after_fit(changed(status="interrupted")),
    ),
    step(
        "which has no file; leave it out",
        evaluated("runs/a", "--data_file=bits.npz"),
        evaluated("runs/a"),
        before=fitted(*NAMED, "--data=sprites", "--n_train=16", "--n_test=16"),
    ),
    step(
        "of another network",
        evaluated("runs/a"),
        each(fitted(*NAMED, "--overwrite"), evaluated("runs/a")),
        before=after_fit(unsealed(rewritten(KEPT, lambda c: c.update(state_dict={})))),
    ),
    step(
        "first run python -m vae_rd.evaluate runs/a --fit_marginal mixture",
        drawn("--marginal=mixture", "-o", "a.npz"),
        each(evaluated("runs/a", "--fit_marginal=mixture", "--components=2"), drawn("--marginal=mixture")),
        before=RUNS,
    ),
    step(
        "end the name in .npz or .png; the suffix picks the format",
        drawn("-o", "a.pdf"),
        drawn("-o", "a.npz"),
        drawn("-o", "a.png"),
        before=RUNS,
    ),
    step("give another place", drawn("-o", "bits.npz/a.npz"), drawn("-o", "b/a.npz"), before=RUNS),
    of("takes a real z, not one of finitely many states", "marginal_auto", CATEGORICAL, NORMAL),
    step("choose one of importance,", measured("nll"), measured("importance", samples=9), before=RUNS),
    step(
        "is no setting; choose one of samples,",
        measured("importance", draws=9),
        measured("importance", samples=9),
        before=RUNS,
    ),
    step("is no split; choose one of train, val, test", measured(split="dev"), measured(split="val"), before=RUNS),
    step(
        "give a whole number from 2 on",
        measured("importance", samples=1),
        measured("importance", samples=2),
        before=RUNS,
    ),
    of("choose another run", "gaps", CATEGORICAL, NORMAL),
    of("choose another run", "ais", CATEGORICAL, NORMAL),
    of("takes a q(z|x) with a density; choose another run", "importance", POINT, NORMAL),
    of("choose another run", "information", CATEGORICAL, NORMAL),
    of("choose another run", "dual", (), FRESH),
    of("has none; choose a run of labelled data", "probe", (), ("--data=digits", "--binarization=threshold")),
    of(
        "name digit alone; choose a run of sprites",
        "disentanglement",
        ("--data=digits", "--binarization=threshold"),
        ("--data=sprites",),
    ),
    of(
        "has none; choose a run of labelled data",
        "algebra",
        (*FRESH,),
        ("--data=digits", "--binarization=threshold"),
    ),
    of(
        "has finitely many states; choose a run of a continuous z",
        "algebra",
        ("--data=sprites", *CATEGORICAL),
        ("--data=sprites", *NORMAL),
    ),
    of(
        "which a decoder that reads x has not; choose another run",
        "algebra",
        ("--data=digits", "--binarization=threshold", "--decoder=made"),
        ("--data=digits", "--binarization=threshold"),
    ),
    step(
        "which is no picture; give a name in .npz",
        drawn("-o", "x.png"),
        drawn("-o", "x.npz"),
        before=fitted(*NAMED, "--data=gaussian", "--likelihood=gaussian"),
    ),
    step(
        "of test alone; leave out --split val",
        checked("algebra", split="val"),
        checked("algebra"),
        before=fitted(*NAMED, "--data=digits", "--binarization=threshold"),
    ),
    step(
        "differ in one of odd, new alone; choose another run",
        checked("algebra"),
        each(fitted(*NAMED, "--overwrite", "--data=sprites"), checked("algebra")),
        before=labelled(odd=lambda row: row, new=lambda row: row),
    ),
    step(
        "the test split alone; leave out --split val",
        evaluated("runs/a", "--probe", "--split=val"),
        checked("probe"),
        before=fitted(*NAMED, "--data=digits", "--binarization=threshold"),
    ),
    step(
        "are new, odd; choose one by --factor, such as --factor new",
        checked("probe"),
        checked("probe", factor="odd"),
        checked("probe", factor="new"),
        before=labelled(odd=lambda row: row % 2, new=lambda row: row % 3),
    ),
    step(
        "choose another factor, or another run",
        checked("probe", factor="new"),
        checked("probe", factor="odd"),
        before=labelled(odd=lambda row: row % 2, new=lambda row: row // 30),
    ),
    step(
        "on 2 examples or more, and has 1; raise --examples, or choose another run",
        checked("probe", examples=2),
        checked("probe", examples=3),
        each(labelled(odd=lambda row: row % 2), checked("probe", examples=2)),
        before=fitted(*NAMED, "--data=digits", "--binarization=threshold"),
    ),
    of("has --target label; choose a run without it", "importance", BOTTLENECK, NORMAL),
    step(
        "has no p(x|z) to draw images from; choose a run without it",
        drawn("-o", "a.npz"),
        each(fitted(*NAMED, "--overwrite"), drawn("-o", "a.npz")),
        before=fitted(*NAMED, *BOTTLENECK),
    ),
    of(
        "takes a run of beta > 0, whose 1/beta weighs the distortion; choose another",
        "dual",
        (*FRESH, "--beta=0"),
        FRESH,
    ),
    step(
        "not a OneBlock; choose another run",
        lambda: check_information(made_of(OneBlock), Settings()),
        lambda: check_information(made_of(DiagonalNormal), Settings()),
    ),
    step(
        "is no exploration; choose one of samples",
        lambda: explore_run("runs/a", "sample"),
        lambda: explore_run("runs/a", "samples"),
        before=RUNS,
    ),
    step(
        "is no data set of `against`; choose one of sprites",
        lambda: explore_run("runs/a", "ood", against=["csv"]),
        lambda: explore_run("runs/a", "ood", against=["sprites"]),
        before=fitted("--name=a", "--data=sprites", "--n_train=64", "--n_test=64"),
    ),
    step(
        "choose another data set, or leave it out",
        explored("--only", "ood", "--against", "digits"),
        explored("--only", "ood", "--against", "sprites", "scenes"),
        explored("--only", "ood"),
        before=fitted("--name=a", "--data=sprites", "--n_train=64", "--n_test=64"),
    ),
    step(
        "make it a folder that you may write to, and give the command again",
        explored("--only", "samples"),
        each(lambda: (RUN / "explore").unlink(), explored("--only", "samples")),
        before=after_fit(lambda folder: (folder / "explore").write_text("")),
    ),
]
