"""`python -m vae_rd.sweep sweeps/beta.yaml`: carry out a W&B sweep file here, by W&B's agents, or on SLURM.

`python -m vae_rd.sweep --suggest` writes one whose betas suit the data.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

if __name__ == "__main__":  # Ctrl-C ends these imports as other signals do, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from vae_rd.launch.options import SLURM, parse
from vae_rd.launch.points.continuation import WAYS, continuation
from vae_rd.launch.points.multirate import multirate
from vae_rd.launch.points.plan import plan
from vae_rd.launch.points.search import first_commands
from vae_rd.launch.points.sweep_file import SweepFile
from vae_rd.process.command import Answer, Text, run_command


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    goes_on = "the same command does what is left (with --launcher wandb, the commands above)"
    return run_command(lambda: _answer(argv), goes_on=goes_on)


def _answer(argv: Sequence[str]) -> Answer:
    if "--suggest" in argv:
        from vae_rd.launch.suggestion import parse as parse_suggestion
        from vae_rd.launch.suggestion import suggest

        asked = parse_suggestion(argv)
        return suggest(asked) if asked.output else Text(suggest(asked))
    options, file = parse(argv)
    if options.launcher in ("continuation", "multirate"):
        return _along_beta(options, file)
    if options.dry_run:
        return Text(first_commands(file, search_seed=options.search_seed))
    wanted = plan(file, search_seed=options.search_seed)
    if options.launcher == "slurm":
        from vae_rd.launch.slurm.launcher import SlurmOptions, submit
        from vae_rd.launch.wandb.launcher import agents_on_slurm

        given = {name: getattr(options, name) for name in SLURM if getattr(options, name) is not None}
        tasks = SlurmOptions(**given, requeue=not options.no_requeue)
        return submit(wanted, tasks) if options.script is None else agents_on_slurm(wanted, tasks, options.script)
    if options.launcher == "wandb":
        from vae_rd.launch.wandb.launcher import run_by_agents

        return run_by_agents(wanted, jobs=options.jobs)
    if options.launcher == "packed":
        from vae_rd.launch.packed.launcher import run_packed

        chunk = options.ensemble_chunk
        return run_packed(wanted, jobs=options.jobs, chunk=None if chunk == "auto" else chunk)
    from vae_rd.launch.local.launcher import run_local

    return run_local(wanted, jobs=options.jobs)


def _along_beta(options: argparse.Namespace, file: SweepFile) -> Answer:
    """Runs that start from others of the sweep, each once that one is finished."""
    if options.launcher == "continuation":
        wanted = continuation(file, epochs=options.continuation_epochs, ways=options.ways or WAYS[0])
    else:
        wanted = multirate(file, ranges=options.ranges, epochs=options.tuning_epochs)
    if options.dry_run:
        return Text([run.command for run in wanted.runs])
    from vae_rd.launch.local.launcher import run_local

    return run_local(wanted, jobs=options.jobs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
