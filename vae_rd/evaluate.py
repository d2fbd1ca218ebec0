"""`python -m vae_rd.evaluate RUN...`: measure finished runs again, or by more estimators; the records keep it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.experiment.options import kinds_of, parser, settings_of
from vae_rd.process.command import Answer, run_command
from vae_rd.process.imports import whole_imports
from vae_rd.process.ranks import check_place, place, run_processes
from vae_rd.run.finding import finished_of
from vae_rd.run.points import run_of_point


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _answer(argv), goes_on="what is finished is in the records; the same command goes on")


def _answer(argv: Sequence[str]) -> Answer:
    options, here = parser(__doc__).parse_args(argv), place()
    check_place(here, devices=options.devices, num_nodes=options.num_nodes)
    if here is None and options.devices > 1:
        return run_processes("vae_rd.evaluate", argv, count=options.devices)
    return _lines(options)


def _lines(options: argparse.Namespace) -> Iterator[str]:
    kinds, given = kinds_of(options), settings_of(options)
    if kinds and options.units != "nats":
        raise InputError(f"--units {options.units}: estimates are printed in nats; leave it out, or all estimates")
    if options.media and (kinds or options.split or given or options.devices > 1):
        raise InputError("--media: measures nothing, on one device; leave out all other options but --data_file")
    is_of_points = options.betas is not None or options.target_rate is not None
    if is_of_points and (kinds or options.media):
        raise InputError("--betas and --target_rate measure D, R and I alone; give other estimates in a second command")
    folders, left_out = finished_of(options.runs)
    if is_of_points:
        folders = list(dict.fromkeys(run_of_point(folder) or folder for folder in folders))
    if options.media:
        yield from _media(folders, left_out, data_file=options.data_file)
        return
    with whole_imports():
        from vae_rd.experiment.evaluating import evaluate_runs

    processes = {"devices": options.devices, "num_nodes": options.num_nodes}
    yield from evaluate_runs(
        folders,
        kinds,
        split=options.split,
        given=given,
        data_file=options.data_file,
        processes=processes,
        units=options.units,
        said=left_out,
        betas=options.betas or (),
        target_rate=options.target_rate,
    )


def _media(folders: Sequence[Path], left_out: Sequence[str], *, data_file: str | None) -> Iterator[str]:
    with whole_imports():
        from vae_rd.experiment.showing import show_runs

    yield from left_out
    yield from show_runs(folders, data_file=data_file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
