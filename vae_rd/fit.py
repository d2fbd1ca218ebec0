"""`python -m vae_rd.fit --beta 4`: fit one VAE and leave its record."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

if __name__ == "__main__":  # Ctrl-C ends these imports as other signals do, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from vae_rd.config.cli import parse
from vae_rd.config.fields import FitConfig
from vae_rd.process.command import Answer, Text, run_command
from vae_rd.process.imports import whole_imports
from vae_rd.process.ranks import check_place, place, run_processes
from vae_rd.run.folder import check_data_file, check_unread, claim, folder_of
from vae_rd.run.summary import summary_lines


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _answer(argv), goes_on="--resume auto goes on from the last epoch")


def _answer(argv: Sequence[str]) -> Answer:
    parsed = parse(argv)
    if parsed.message is not None:
        return Text([parsed.message])
    config, found = parsed.config, place()
    check_unread(config, spared=parsed.spared)
    check_data_file(config)
    check_place(found, devices=config.devices, num_nodes=config.num_nodes)
    if found is None:
        claim(config)  # Whatever it refuses need not wait for torch.
    if found is None and config.devices > 1:
        return run_processes("vae_rd.fit", argv, count=config.devices)
    return _fit(config)


def _fit(config: FitConfig) -> list[str]:
    with whole_imports():
        from vae_rd.experiment.fitting import fit_checked

    return summary_lines(fit_checked(config), folder_of(config), units=config.units)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
