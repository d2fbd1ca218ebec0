"""`python -m vae_rd.evaluate RUN...`: measure finished runs again, or by more estimators; the records keep it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from vae_rd.errors import InputError
from vae_rd.experiment.options import kinds_of, parser, settings_of
from vae_rd.process.command import Answer, run_command
from vae_rd.process.ranks import check_place, place, run_processes
from vae_rd.process.signals import whole_imports
from vae_rd.run.finding import finished_of


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
    folders, left_out = finished_of(options.runs)
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
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
