"""The command line of `python -m vae_rd.evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vae_rd import __version__
from vae_rd.config.estimates import ESTIMATES, MARGINALS, flag_of
from vae_rd.config.fields import MOST
from vae_rd.config.options import Parser, above_zero, betas, whole
from vae_rd.errors import InputError
from vae_rd.run.record import SPLITS
from vae_rd.units import UNITS

OPTIONS = ("samples", "examples", "chains", "temperatures", "components", "factor", "marginal", "seed")
READ_BY_METRICS = ("examples",)  # What measuring D, R and I again looks at, too.


def parser(description: str | None = None) -> Parser:
    """The options, with their help."""
    command = Parser(prog="python -m vae_rd.evaluate", description=description, allow_abbrev=False)
    command.add_argument("--version", action="version", version=f"vae_rd {__version__}")
    runs = (
        "folders of finished runs, folders of runs, or globs of either; of the latter, what is unfinished is left out"
    )
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=runs)
    command.add_argument("--data_file", help="where the file or folder of one's own data is now [as the run says]")
    command.add_argument("--split", choices=SPLITS, help="of the estimates [test]; without any, of D, R and I [all]")
    many = 'D, R and I of a run of --objective multirate at betas, "[0.1, 1]" or "logspace(-2, 1, 20)", a record each'
    command.add_argument("--betas", type=betas, help=many)
    rate = "likewise at the beta at which validation has this R, nats, found on the trained model"
    command.add_argument("--target_rate", type=above_zero, metavar="R", help=rate)
    command.add_argument("--nll", choices=_words("--nll"), help="-E ln p(x), z from q(z|x) or from m(z)")
    for kind, estimate in ESTIMATES.items():
        if estimate.flag is None:
            command.add_argument(f"--{kind}", action="store_true", help=estimate.meaning)
    tighter = (
        "R, and so an upper bound on I, under a prior fitted afterwards to q(z) of the training split; with --nll "
        "importance the NLL under it, too"
    )
    command.add_argument("--fit_marginal", choices=_words("--fit_marginal"), help=tighter)
    command.add_argument("--samples", type=whole(2), help="draws of z an example, of --nll and --gaps [5000]")
    counts = (
        "all; 100 of --ais and --gaps, 10,000 of --probe, 5,000 of --disentanglement, 2,000 of --quality, 1,000 of "
        "--algebra"
    )
    examples = f"how many, at random [{counts}]; without any estimate, those that"
    command.add_argument("--examples", type=whole(2), help=f"{examples} I is a mean over [as the run says]")
    command.add_argument("--chains", type=whole(2), help="of --ais, an example [16]")
    command.add_argument("--temperatures", type=whole(2), help="of --ais [500]")
    components = "of --fit_marginal [100 normals, 500 pseudo-inputs]"
    command.add_argument("--components", type=whole(1), help=components)
    fitted = "of --ais and --quality: z from the prior that --fit_marginal left in the run [the run's own prior]"
    command.add_argument("--marginal", choices=tuple(MARGINALS), help=fitted)
    command.add_argument("--factor", metavar="WORD", help="of --probe, which labels [the only ones]")
    media = "pictures and latents.npz of the kept checkpoint into the run's folder, as a fit leaves them; nothing else"
    command.add_argument("--media", action="store_true", help=media)
    command.add_argument("--seed", type=whole(0, MOST), help="of all draws [0]")
    command.add_argument(
        "--units", choices=UNITS, default="nats", help="of what is printed; records are in nats [nats]"
    )
    command.add_argument("--devices", type=whole(1), default=1, help="processes on each machine, one a device [1]")
    command.add_argument("--num_nodes", type=whole(1), default=1, help="machines, as for vae_rd.fit [1]")
    return command


def _words(flag: str) -> list[str]:
    """The values of a flag that asks for one of several kinds."""
    split = [flag_of(kind).split() for kind in ESTIMATES]
    return [words[1] for words in split if words[0] == flag and len(words) > 1]


def kinds_of(options: argparse.Namespace) -> list[str]:
    """The kinds of estimates that are asked for."""
    return [kind for kind in ESTIMATES if _is_asked(options, flag_of(kind))]


def _is_asked(options: argparse.Namespace, flag: str) -> bool:
    name, *word = flag.removeprefix("--").split()
    return getattr(options, name) == (word[0] if word else True)


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """The options of estimates that were given.

    Raises:
        InputError: for one that no estimate asked for would look at.
    """
    given = {name: getattr(options, name) for name in OPTIONS if getattr(options, name) is not None}
    for name in given:
        if name in READ_BY_METRICS and not kinds_of(options):
            continue
        readers = [kind for kind, estimate in ESTIMATES.items() if name in estimate.reads]
        if not set(kinds_of(options)) & set(readers):
            flags = ", ".join(map(flag_of, readers))
            raise InputError(f"--{name} belongs to {flags}; add one of these, or leave it out")
    return given
