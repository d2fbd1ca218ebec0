"""`python -m vae_rd.beta mse --weight 4`: which beta, or which noise scale, a loss as people write it has here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from vae_rd import __version__
from vae_rd.config.options import Parser, whole
from vae_rd.process.command import Text, run_command
from vae_rd.units import LOSSES, REDUCTIONS, beta_of

TERMS = ("loss", "weight", "loss_weight", "over_pixels", "over_units", "loss_over_batch", "kl_over_batch")
COUNTS = ("shape", "latent_dim", "batch_size")


def parser() -> Parser:
    """The options, with their help."""
    command = Parser(prog="python -m vae_rd.beta", description=__doc__, allow_abbrev=False)
    command.add_argument("--version", action="version", version=f"vae_rd {__version__}")
    command.add_argument("loss", choices=LOSSES, help="the reconstruction; nll: any other -ln p(x|z), constants kept")
    command.add_argument("--weight", type=float, default=1.0, help="of the KL [1]")
    command.add_argument("--loss_weight", type=float, default=1.0, help="of the reconstruction, such as 0.5 [1]")
    for name, term in (("over_pixels", "reconstruction"), ("over_units", "KL")):
        command.add_argument(f"--{name}", choices=REDUCTIONS, default="sum", help=f"what the {term} is [sum]")
    for name, term in (("loss_over_batch", "reconstruction"), ("kl_over_batch", "KL")):
        command.add_argument(f"--{name}", choices=REDUCTIONS, default="mean", help=f"what the {term} is [mean]")
    command.add_argument("--shape", type=_shape, help="of an image, as 64x64x3; for a mean over pixels")
    command.add_argument("--latent_dim", type=whole(1), help="units, over all places of a map; for a mean over units")
    command.add_argument("--batch_size", type=whole(1), help="where one term is summed over the batch, one averaged")
    command.add_argument("--scale", type=float, help="noise scale whose beta is wanted, in the units of x")
    command.add_argument("--range", type=float, nargs=2, default=(0, 1), metavar=("LOW", "HIGH"), help="of x [0 1]")
    return command


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_command(lambda: Text(_lines(argv)), goes_on="the same command says it again")


def _lines(argv: Sequence[str]) -> Iterator[str]:
    options = vars(parser().parse_args(argv))
    translation = beta_of(**{name: options[name] for name in TERMS + COUNTS})
    yield from translation.words(of=tuple(options["range"]), scale=options["scale"])


def _shape(text: str) -> list[int]:
    return [whole(1)(number) for number in text.split("x")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
