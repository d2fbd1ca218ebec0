"""`python -m vae_rd.fit --beta 4`: fit one VAE and leave its record."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vae_rd.cli import parse
from vae_rd.command import run_command
from vae_rd.config import FitConfig
from vae_rd.folders import folder_of
from vae_rd.summary import summary_lines


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: _answer(argv), goes_on="--resume auto goes on from the last epoch")


def _answer(argv: Sequence[str]) -> list[str]:
    parsed = parse(argv)
    return [parsed.message] if parsed.message is not None else _fit(parsed.config)


def _fit(config: FitConfig) -> list[str]:
    from vae_rd.experiment import fit_model

    return summary_lines(fit_model(config), folder_of(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
