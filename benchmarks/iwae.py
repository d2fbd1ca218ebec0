"""Seconds of IWAE-5000 of binary images through a 784-200-200-50 MLP, against the matrix products alone.

    python benchmarks/iwae.py [--repeats 40] [--threads 2] [--images 4]     ratio, on a subset
    python benchmarks/iwae.py --whole                                                     all 10,000 images x 5,000

The products are those that no implementation can avoid: per draw 50 x 200, 200 x 200 and 200 x 784, per example the
encoder's, in float32, without biases, in the number of rows at which this machine is fastest, into memory that is
already there. Both take turns, because a shared machine changes its pace within seconds; reported are medians over
turns, the fastest of each, and the median of the ratios within a turn. With two threads on a machine whose cores others
use, every operation waits for the slower core, and ours has more operations: only the fastest turns then say something.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from vae_rd.config.fields import FitConfig
from vae_rd.estimators.importance import importance
from vae_rd.experiment import build
from vae_rd.functional.seeding import generator
from vae_rd.model.coders import Decoder, Encoder
from vae_rd.model.likelihoods.bernoulli import BernoulliLikelihood
from vae_rd.model.nn.mlp import mlp_decoder, mlp_encoder
from vae_rd.model.posteriors.diagonal import DiagonalPosterior
from vae_rd.model.priors.normal import StandardNormalPrior
from vae_rd.model.vae import VAE

SHAPE, HIDDEN, LATENT = (1, 28, 28), [200, 200], 50
EXAMPLES, SAMPLES, EVALUATION_CHUNK = 10_000, 5000, 500
TARGET_RATIO, TARGET_BYTES = 2.0, 2 * 2**30


def images(n: int) -> Tensor:
    """Static binary MNIST test images where VAE_RD_DATA has them, else random bits of the same mean, [n, 1, 28, 28]."""
    if (root := os.environ.get("VAE_RD_DATA")) and (Path(root) / "static_mnist").is_dir():
        config = FitConfig(data="static_mnist", data_dir=root)
        return build.build_data(config).pixels["test"][:n].float()
    return (torch.rand(n, *SHAPE) < 0.13).float()


def the_model() -> VAE:
    """The architecture of Burda et al. 2016 at its initial weights, which take the time that trained ones take."""
    trunk = mlp_encoder(SHAPE, HIDDEN, nn.ReLU)
    encoder = Encoder(trunk, DiagonalPosterior(trunk.features, LATENT))
    decoder = Decoder(mlp_decoder(SHAPE, HIDDEN, LATENT, nn.ReLU), BernoulliLikelihood())
    return VAE(encoder, decoder, StandardNormalPrior(LATENT), latent_dim=LATENT).eval()


class Products:
    """The bare matrix products of some rows, in parts of `rows` at a time.

    Args:
        model: whose weights.
        rows: at a time.
    """

    def __init__(self, model: nn.Module, rows: int) -> None:
        self.weights = [m.weight.detach().T for m in model.modules() if isinstance(m, nn.Linear)]
        self.buffers = [torch.randn(rows, self.weights[0].shape[0])]
        self.buffers += [torch.empty(rows, w.shape[1]) for w in self.weights]

    def run(self, rows: int) -> None:
        """Multiply `rows` rows through all layers."""
        size = len(self.buffers[0])
        for start in range(0, rows, size):
            part = min(size, rows - start)
            for a, w, out in zip(self.buffers, self.weights, self.buffers[1:], strict=False):
                torch.mm(a[:part], w, out=out[:part])


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fastest_rows(decoder: nn.Module) -> int:
    """The number of rows at a time that the products like best."""
    sizes = [128, 256, 512, 1024, 2048]
    trials = {size: Products(decoder, size) for size in sizes}
    best = {size: min(seconds(partial(p.run, 4096)) for _ in range(6)) for size, p in trials.items()}
    return min(sizes, key=best.__getitem__)


def compare(model: VAE, *, examples: int, repeats: int) -> None:
    """Print medians over alternating turns, their ratio, and what the whole would take."""
    x, rows = images(examples), fastest_rows(model.decoder)
    decoder, encoder = Products(model.decoder, rows), Products(model.encoder, examples)
    turns = []
    for turn in range(repeats + 1):
        noise = generator("cpu", turn)
        ours = seconds(partial(importance, model, x, samples=SAMPLES, noise=noise))
        bare = seconds(partial(decoder.run, examples * SAMPLES)) + seconds(partial(encoder.run, examples))
        turns.append((ours, bare))
    ours, bare = (statistics.median(values) / (examples * SAMPLES) for values in zip(*turns[1:], strict=True))
    ratios = sorted(a / b for a, b in turns[1:])
    low, ratio, high = (ratios[int(share * len(ratios))] for share in (0.25, 0.5, 0.75))
    print(f"{examples} images x {SAMPLES} draws, {torch.get_num_threads()} threads; products in parts of {rows} rows")
    print(f"microseconds a draw, medians: ours {1e6 * ours:.2f}, products {1e6 * bare:.2f}")
    fast_ours, fast_bare = (1e6 * min(values) / (examples * SAMPLES) for values in zip(*turns[1:], strict=True))
    print(f"microseconds a draw, fastest turns: ours {fast_ours:.2f}, products {fast_bare:.2f}")
    print(f"ratio {ratio:.2f} (quartiles {low:.2f} and {high:.2f}; target {TARGET_RATIO})")
    print(f"{EXAMPLES} x {SAMPLES}: ours {ours * EXAMPLES * SAMPLES:.0f} s, products {bare * EXAMPLES * SAMPLES:.0f} s")


def whole(model: VAE) -> None:
    """Run all of it, in the chunks of an evaluation."""
    began, values = time.perf_counter(), []
    for index, x in enumerate(images(EXAMPLES).split(EVALUATION_CHUNK)):
        values.append(importance(model, x, samples=SAMPLES, noise=generator("cpu", 0, index)).log_p)
        print(f"chunk {index}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"whole: {time.perf_counter() - began:.0f} s, mean L_{SAMPLES} {torch.cat(values).mean().item():.3f} nats")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = the_model()
    if args.whole:
        whole(model)
    else:
        compare(model, examples=args.images, repeats=args.repeats)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory {peak / 2**20:.0f} MiB (target {TARGET_BYTES / 2**20:.0f})")


if __name__ == "__main__":
    main()
