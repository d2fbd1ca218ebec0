"""`python -m vae_rd.sweep --suggest`: a sweep file whose betas follow the forecast of the data, evenly in rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vae_rd.config.cli import given as given_by
from vae_rd.config.cli import split, typed, understood
from vae_rd.config.fields import FitConfig
from vae_rd.config.options import Parser, whole
from vae_rd.errors import InputError
from vae_rd.launch.options import fixed_flags, path_of
from vae_rd.launch.points.command import COMMAND
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.sweep_file import checked_sweep
from vae_rd.process.imports import whole_imports
from vae_rd.run.files import write_atomic
from vae_rd.run.folder import as_bad_input, check_data_file, check_unread

if TYPE_CHECKING:
    from vae_rd.theory.forecast import Forecast

LEAST_DIGITS = 3
WIDTH = 118
DEFAULT_COUNT = 8


@dataclass(frozen=True)
class Asked:
    """What a suggestion is to be of.

    Attributes:
        config: of its runs, but for beta.
        fixed: flags of all runs, as text.
        files: config files of all runs.
        count: of betas.
        output: the sweep file; None to print it.
    """

    config: FitConfig
    fixed: Mapping[str, str]
    files: tuple[str, ...]
    count: int
    output: Path | None


def parser() -> Parser:
    """The command line of `python -m vae_rd.sweep --suggest`, but for the flags of fits."""
    command = Parser(
        prog="python -m vae_rd.sweep --suggest",
        usage="python -m vae_rd.sweep --suggest [-o FILE] [--count N] [--FLAG VALUE]...",
        description="Write a sweep file whose betas go from where a linear VAE of the data collapses to where all of "
        "its units are on, evenly in its rate.",
        epilog="Every flag of python -m vae_rd.fit but --beta may follow: all runs get it.",
        allow_abbrev=False,
    )
    command.add_argument("--suggest", action="store_true", help="write a sweep file instead of carrying one out")
    command.add_argument("-o", "--output", type=path_of, metavar="FILE", help="the sweep file [printed]")
    command.add_argument("--count", type=whole(2), default=DEFAULT_COUNT, help=f"values of beta [{DEFAULT_COUNT}]")
    return command


def parse(argv: Sequence[str]) -> Asked:
    """What a command line asks for, its flags checked as a fit checks them.

    Raises:
        InputError: for a wrong option or flag, or a file that is there already.
    """
    options, rest = parser().parse_known_args(argv)
    pairs = split(rest)
    fixed = fixed_flags([(name, value) for name, value in pairs if name != "config"])
    if "beta" in fixed:
        raise InputError("--beta: is what --suggest chooses; leave it out")
    said = understood(given_by(rest))
    check_unread(said.config, spared=said.spared)
    check_data_file(said.config)
    output: Path | None = options.output
    if output is not None:
        with as_bad_input(output, flag="--output "):
            if output.exists():
                raise InputError(f"--output {output}: is there already; remove it, or name another file")
    files = tuple(value for name, value in pairs if name == "config")
    return Asked(said.config, fixed, files, options.count, output)


def suggest(asked: Asked) -> Iterator[str]:
    """Write the file, and say what to do with it; or its lines themselves.

    Raises:
        InputError: for data that nothing is known of beforehand, or flags that no sweep takes.
    """
    forecast = _forecast(asked.config)
    content = content_of(forecast, asked)
    plan(checked_sweep(dict(content), asked.output or Path("--suggest"), fixed={}))
    text = _head(forecast, content) + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=WIDTH)
    if asked.output is None:
        yield text.rstrip()
        return
    with as_bad_input(asked.output, flag="--output "):
        write_atomic(asked.output, text)
    yield f"{asked.output}: {_range(content)}; carry it out by python -m vae_rd.sweep {asked.output}"


def _forecast(config: FitConfig) -> Forecast:
    with whole_imports():
        from vae_rd.experiment.loading import precision_of
        from vae_rd.experiment.preparing import prepare

    with precision_of(config):
        forecast = prepare(config, None, None).forecast
    if forecast is None:
        known = f"--data {config.data} --likelihood {config.likelihood} --posterior {config.posterior}"
        way_out = "write the betas yourself, as in sweeps/beta.yaml"
        raise InputError(f"--suggest: there is no forecast for {known}; {way_out}")
    return forecast


def content_of(forecast: Forecast, asked: Asked) -> dict[str, Any]:
    """The sweep file.

    Args:
        forecast: of the data under the likelihood of `asked`.
        asked: what the suggestion is to be of.

    Example:
        >>> from vae_rd.theory.forecast import Forecast
        >>> found = content_of(Forecast((8.0, 4.0)), Asked(FitConfig(), {"seed": "3"}, ("a.yaml",), 4, None))
        >>> found["parameters"], found["command"][4:]
        ({'beta': {'values': [8.8, 4.0, 2.83, 2.0]}, 'seed': {'value': 3}}, ['--config=a.yaml', '${args}'])
    """
    values = typed(asked.fixed, where="command line")
    return {
        "program": "vae_rd/fit.py",
        "command": [*COMMAND[:4], *(f"--config={path}" for path in asked.files), COMMAND[4]],
        "method": "grid",
        "metric": {"name": "val/objective", "goal": "minimize"},
        "parameters": {
            "beta": {"values": _rounded(forecast.betas(asked.count))},
            **{name: {"value": getattr(values, name)} for name in asked.fixed},
        },
    }


def _rounded(betas: Sequence[float]) -> list[float]:
    """The betas in as few digits as tell them apart."""
    digits = LEAST_DIGITS
    while len({f"{beta:.{digits}g}" for beta in betas}) < len(betas):
        digits += 1
    return [float(f"{beta:.{digits}g}") for beta in betas]


def _range(content: Mapping[str, Any]) -> str:
    betas = content["parameters"]["beta"]["values"]
    return f"{len(betas)} values of beta from {betas[0]:g} to {betas[-1]:g}"


def _head(forecast: Forecast, content: Mapping[str, Any]) -> str:
    """What the file rests on, as YAML's comments."""
    betas = content["parameters"]["beta"]["values"]
    rates = ", ".join(f"{forecast.rate(beta):.3g}" for beta in betas)
    units = ", ".join(f"{forecast.units(beta)}" for beta in betas)
    return (
        f"# Suggested: a linear VAE of the data collapses from beta {forecast.collapse_beta:.6g} ({forecast.source}).\n"
        f"# Its rate at these betas: {rates} nats; units that are on: {units}.\n"
    )
