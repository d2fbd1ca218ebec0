"""`python -m vae_rd.fit --beta 4`: fit one VAE and leave its record."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from vae_rd.cli import parse
from vae_rd.errors import InputError, Interrupted


def main(argv: Sequence[str]) -> int:
    """Run the command; the exit codes are 0, 2 (bad input), 1 (failure) and 128 + signal number."""
    try:
        parsed = parse(argv)
        if parsed.message is not None:
            print(parsed.message)
            return 0
        from vae_rd.experiment import fit_model
        from vae_rd.folders import folder_of
        from vae_rd.summary import summary_lines

        folder = folder_of(parsed.config)
        record = fit_model(parsed.config)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"interrupted: continue with --resume auto ({folder})", file=sys.stderr)
        return leave(stop.signum)
    except Exception as error:
        print(f"failed: {type(error).__name__}: the traceback is in {folder / 'error.log'}", file=sys.stderr)
        return 1
    print("\n".join(summary_lines(record, folder)))
    return 0


def leave(signum: int) -> int:
    """The exit code of an interrupted run; a W&B agent takes any code for a failure, so there SIGTERM ends us itself."""
    if signum == signal.SIGTERM and "WANDB_SWEEP_ID" in os.environ:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    return 128 + signum


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
