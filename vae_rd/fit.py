"""`python -m vae_rd.fit --beta 4`: fit one VAE and leave its record."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from vae_rd.cli import parse
from vae_rd.config import FitConfig
from vae_rd.errors import InputError, Interrupted
from vae_rd.folders import folder_of
from vae_rd.signals import SignalGuard
from vae_rd.summary import summary_lines


def main(argv: Sequence[str]) -> int:
    """Run the command; the exit codes are 0, 2 (bad input), 1 (failure) and 128 + signal number."""
    try:
        with SignalGuard():
            parsed = parse(argv)
            print(parsed.message if parsed.message is not None else _fit(parsed.config))
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"interrupted by signal {stop.signum}; --resume auto goes on from the last epoch", file=sys.stderr)
        return _leave(stop.signum)
    except Exception as error:
        reason = " ".join(str(error).split()) or "no message"
        print(
            "; ".join([f"failed: {type(error).__name__}: {reason}", *getattr(error, "__notes__", [])]), file=sys.stderr
        )
        return 1


def _fit(config: FitConfig) -> str:
    from vae_rd.experiment import fit_model

    return "\n".join(summary_lines(fit_model(config), folder_of(config)))


def _leave(signum: int) -> int:
    """The exit code of an interrupted run; a W&B agent takes a code for a failure, so there SIGTERM ends us itself."""
    if signum == signal.SIGTERM and "WANDB_SWEEP_ID" in os.environ:
        sys.stdout.flush()  # A process that a signal ends writes nothing more.
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return 128 + signum


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
