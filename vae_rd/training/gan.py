"""The LightningModule of one GAN: generator and discriminator take each step together.

Simultaneous steps are the ones whose convergence Mescheder et al. (2018) prove under R1, and they take one pass of
gradients, which several processes sum as they do a VAE's. The two losses share no parameter, so that one optimiser of
both is two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from vae_rd.data.module import Batch
from vae_rd.errors import Diverged
from vae_rd.functional.seeding import generator
from vae_rd.model.gan import GAN
from vae_rd.objectives.adversarial import discriminator_loss, generator_loss, gradient_penalty
from vae_rd.process.collectives import all_gather
from vae_rd.process.memory import memory_advice
from vae_rd.training.advice import kind_of
from vae_rd.training.base import Descent, Member, TrainedModule
from vae_rd.training.guard import check_norms, check_weights

BETAS = (0.0, 0.99)  # Of Adam: momentum makes the two circle each other.
RAMP = 10  # Early steps are forgotten sooner: over a tenth of those taken so far.


class AdversarialTerms(NamedTuple):
    """What a step adds to the epoch's means, [B] each: losses, R1, and log odds of examples and of samples."""

    discriminator_loss: Tensor
    generator_loss: Tensor
    gradient_penalty: Tensor
    real_odds: Tensor
    fake_odds: Tensor


class GANModule(TrainedModule):
    """Trains a GAN with the non-saturating loss and R1, and keeps the average of its generator.

    Args:
        model: the GAN.
        descent: how steps are taken.
        batch_size: over all processes; z of a step is drawn for all of it and each process takes its rows.
        seed: of z and of draws.
        r1: weight gamma of R1, as (gamma / 2) |grad_x l|^2.
        ema: decay of the generator's average, once enough steps were taken.
        after_step: called after every optimiser step.
    """

    def __init__(
        self,
        model: GAN,
        *,
        descent: Descent,
        batch_size: int,
        seed: int,
        r1: float,
        ema: float,
        after_step: Callable[[], None],
    ) -> None:
        super().__init__(descent)
        self.model, self.batch_size, self.seed = model, batch_size, seed
        self.r1, self.ema, self.after_step = r1, ema, after_step
        self.member = Member(model, None)
        self._sums: dict[str, float] = {}

    @property
    def members(self) -> tuple[Member]:
        """The one that is trained."""
        return (self.member,)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam without momentum, of generator and discriminator."""
        return self.descent.optimizer((p for p in self.parameters() if p.requires_grad), betas=BETAS)

    def clip(self, most: float) -> Tensor:
        """Each network's by themselves: one's are not to be small because the other's are large; the greater norm."""
        networks = self.model.generator, self.model.discriminator
        norms = [torch.nn.utils.clip_grad_norm_(network.parameters(), most) for network in networks]
        return torch.stack(norms).amax()

    def training_step(self, block: Iterable[Batch], block_idx: int) -> None:
        """Optimise on each batch of a block.

        Raises:
            Diverged: when a loss in the block is not finite.
            OutOfMemory: when a step does not fit.
        """
        first = self.global_step
        with memory_advice("a training step", lower="--batch_size or the network (--hidden, --latent_dim)"):
            taken = [self._step(batch, step) for step, batch in self.left(block, first=first)]
        seen = [terms for terms, _ in taken]
        self._check(seen, first_step=first + 1)
        norms = [norm for _, norm in taken if norm is not None]
        check_norms(norms, first_step=first + 1, advice=self.advice)
        self._add(seen)
        self.count_steps(first + len(seen))

    def _step(self, batch: Batch, step: int) -> tuple[AdversarialTerms, Tensor | None]:
        noise = generator(batch.x.device, self.seed, "noise", self.current_epoch, batch.part)
        samples = self._samples(batch.x, noise)
        terms = self._terms(batch.x, samples)
        penalty = self.r1 / 2 * terms.gradient_penalty
        norm = self.descend(terms.discriminator_loss + terms.generator_loss + penalty, step)
        self.model.average(min(self.ema, (1 + step) / (RAMP + step)))
        self.after_step()
        return AdversarialTerms(*(values.detach() for values in terms)), norm

    def _samples(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """This process's rows of samples of the whole batch, as its likelihood shows them beside x."""
        first = self.global_rank * len(x)
        rows = slice(first, first + len(x))
        z = self.model.prior().sample((self.batch_size,), generator=noise)[rows].to(x)
        p = self.model.generator(z[None])
        shape = (self.batch_size, *x.shape[1:])

        def uniform() -> Tensor:
            drawn = torch.rand(shape, generator=noise, device=noise.device, dtype=x.dtype)
            return drawn[rows].to(x.device)[None]

        return self.model.generator.likelihood.beside_data(p, uniform)[0]

    def _terms(self, x: Tensor, samples: Tensor) -> AdversarialTerms:
        """Losses of a batch; the generator's sees the discriminator's weights as constants."""
        discriminator, x = self.model.discriminator, x.detach().requires_grad_(self.r1 > 0)
        real, fake = discriminator(torch.cat([x, samples.detach()])).split(len(x))
        held = {name: value.detach() for name, value in discriminator.named_parameters()}
        return AdversarialTerms(
            discriminator_loss(real, fake),
            generator_loss(functional_call(discriminator, held, (samples,))),
            gradient_penalty(real, x) if self.r1 > 0 else torch.zeros_like(real),
            real,
            fake,
        )

    def _check(self, seen: Sequence[AdversarialTerms], *, first_step: int) -> None:
        for name in AdversarialTerms._fields[:3]:
            values = torch.stack([getattr(terms, name).sum() for terms in seen])
            if not (finite := values.isfinite()).all():
                place = int((~finite).nonzero()[0])
                what = name.replace("_", " ")
                remedy = self.advice.at(first_step + place)
                raise Diverged(f"step {first_step + place}: the {what} is {kind_of(values[place])}; {remedy}")

    def _add(self, seen: Sequence[AdversarialTerms]) -> None:
        for name in AdversarialTerms._fields:
            values = torch.cat([getattr(terms, name) for terms in seen]).double()
            self._sums[name] = self._sums.get(name, 0.0) + values.sum().item()
        self._sums["n"] = self._sums.get("n", 0.0) + sum(len(terms.real_odds) for terms in seen)

    def validation_step(self, block: Iterable[Batch], block_idx: int) -> None:
        """Nothing of one example: `vae_rd.training.samples` compares the whole split with samples."""

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's row of history."""
        super().on_train_epoch_start()
        self._sums = {}

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means.

        Raises:
            Diverged: when the weights are no longer finite; neither history nor checkpoints, which come next, see them.
        """
        check_weights(self.named_parameters(), self.optimizer, step=self.global_step, advice=self.advice)
        shares = [share for _, share in sorted(all_gather({self.global_rank: self._sums}).items())]
        totals = {name: sum(share[name] for share in shares) for name in shares[0]}
        n = totals.pop("n")
        self.log_row("train", {name: total / n for name, total in totals.items()})
        self.log_row("", {"lr": self.descent.learning_rate(self.global_step)})
