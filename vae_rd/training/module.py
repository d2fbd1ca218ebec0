"""The LightningModule of one VAE for anybody's Trainer, loaders and callbacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.precision import HalfPrecision
from torch import Tensor, nn

from vae_rd.data.batches import x_of
from vae_rd.errors import InputError
from vae_rd.functional.seeding import generator
from vae_rd.metrics.dependence import is_known
from vae_rd.metrics.rate_distortion import RateDistortion
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.terms import Terms
from vae_rd.model.vae import VAE
from vae_rd.objectives.base import Objective
from vae_rd.objectives.beta import BetaObjective
from vae_rd.objectives.gradients.base import Gradient, Reparameterised
from vae_rd.training.aims import Words, batch_problem, gradient_problems, posterior_problems
from vae_rd.training.ending import validate_at_end
from vae_rd.training.examples import add_examples, example_terms, read_means

Split = tuple[str, int]  # Its word, and the number of the loader.


class VAEModule(LightningModule):
    """Trains a VAE under a plain `lightning.Trainer`, on loaders of x, (x, y) or dicts.

    Once an epoch it logs `train/` and `val/` (or `test/`) distortion, rate, elbo, objective, loss, active_units and
    rate_dim_<d>: means over examples in nats, of training over weights as they moved. A second validation loader's have
    "/dataloader_idx_1" after their names, as Lightning does it. The end of training is validated whatever
    `check_val_every_n_epoch` and `val_check_interval` say, within an epoch where `min_epochs` and `min_steps` allow it.
    The noise of a batch is a function of (seed, epoch, its number), in validation of (seed, its number), so that a run
    that goes on from a checkpoint repeats it and several processes draw what one would.

    Args:
        model: the VAE.
        objective: what is minimised; None for D + R.
        gradient: how the gradient of draws is estimated; None for the one through them.
        optimizer: from parameters to whatever `configure_optimizers` may return; None for Adam.
        lr: of that Adam.
        samples: draws of z per example, S.
        seed: of the noise.
        key: where x is in a batch that is a dict.

    Raises:
        InputError: for a gradient that is not the objective's or takes more draws, an objective of many betas where the
            model takes none, and, as training begins, a posterior or a batch that these cannot be trained on.

    Example:
        >>> import lightning
        >>> from torch.utils.data import DataLoader
        >>> from vae_rd import Decoder, Encoder, BernoulliLikelihood, DiagonalPosterior, StandardNormalPrior, VAE
        >>> encoder = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(16, 8)), DiagonalPosterior(8, latent_dim=2))
        >>> decoder = Decoder(nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4))), BernoulliLikelihood())
        >>> module = VAEModule(VAE(encoder, decoder, StandardNormalPrior(2), latent_dim=2), BetaObjective(4.0))
        >>> x = torch.randint(2, (64, 1, 4, 4)).float()
        >>> quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        >>> trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
        >>> trainer.fit(module, DataLoader(x, batch_size=16), DataLoader(x, batch_size=32))
        >>> sorted(name for name in trainer.callback_metrics if name.startswith("val/rate"))
        ['val/rate', 'val/rate_dim_0', 'val/rate_dim_1']
    """

    def __init__(
        self,
        model: VAE,
        objective: Objective | None = None,
        *,
        gradient: Gradient | None = None,
        optimizer: Callable[[Iterable[nn.Parameter]], Any] | None = None,
        lr: float = 1e-3,
        samples: int = 1,
        seed: int = 0,
        key: str | int | None = None,
    ) -> None:
        super().__init__()
        self.model, self.objective = model, objective or BetaObjective(1.0)
        self.gradient, self.optimizer = gradient or Reparameterised(), optimizer
        self.lr, self.samples, self.seed, self.key = lr, samples, seed, key
        self._means: dict[Split, RateDistortion] = {}
        self._taken = 0  # Optimiser steps that running scales have seen.
        self._val_every: int | None = None  # As the Trainer had it.
        self._is_ours = False  # That training was asked to stop.
        self._is_checked = False  # The posterior, which there is of a batch.
        asked = gradient_problems(self.objective, self.gradient, samples=samples, words=self._words)
        for problem in asked:
            raise InputError(problem)
        if self.objective.betas is not None and self.model.betas is None:
            raise InputError(
                f"VAEModule: {type(self.objective).__name__} is of many betas, and this model takes none; give "
                "vae_rd.model.multirate.MultiRateVAE(model, ...) of the same range"
            )

    def setup(self, stage: str) -> None:
        """Refuse a precision in which there are no densities."""
        if isinstance(self.trainer.precision_plugin, HalfPrecision):
            kind = self.trainer.precision
            raise InputError(
                f"Trainer(precision={kind!r}): densities and KLs of z take single precision; give "
                f"{kind.removesuffix('true')}mixed"
            )

    def configure_optimizers(self) -> Any:
        """What was asked for, of all parameters."""
        if self.optimizer is not None:
            return self.optimizer(self.parameters())
        return torch.optim.Adam(self.parameters(), lr=self.lr)

    def forward(self, x: Tensor) -> Posterior:
        """q(z|x)."""
        return cast(Posterior, self.model.encoder(x))

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """The loss of a batch, and its terms."""
        x = self._x(batch)
        self._check_posterior(x)
        examples = self.trainer.world_size * len(x)
        if batch_idx == 0 and (problem := batch_problem(self.objective, batch_size=examples, words=self._words)):
            raise InputError(problem)
        noise = generator(x.device, self.seed, "noise", self.current_epoch, batch_idx)
        eps, step = self._noise(x, noise), self.global_step
        context = self._context(x, noise)
        terms, loss, surrogate = self.gradient.step(
            self.model, self.objective, x, eps, step, noise=noise, context=context
        )
        self._add(("train", 0), terms, loss)
        return {"loss": surrogate.mean(), "terms": terms}

    def on_train_start(self) -> None:
        """Note where training stands."""
        self._taken, self._val_every, self._is_ours = self.global_step, self.trainer.check_val_every_n_epoch, False

    def on_train_end(self) -> None:
        """Leave the Trainer as it would be without the validation at the end."""
        self.trainer.check_val_every_n_epoch = self._val_every
        if self._is_ours:
            self.trainer.should_stop = False

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Let running scales and multipliers take note of a step, by the terms of the last batch that it summed.

        After the last batch of all a validation follows, whatever lies between validations.
        """
        if self.global_step > self._taken:
            outputs["terms"].after_step()
            self.objective.after_step(outputs["terms"])
        self._taken, asked = self.global_step, self.trainer.should_stop
        validate_at_end(self.trainer)
        self._is_ours = self.trainer.should_stop and not asked

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means, and the settings to come."""
        self._log("train")
        settings = {"beta_effective": self.objective.weight(self.global_step), **self.objective.logged()}
        self.log_dict({name: float(value) for name, value in settings.items()})

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch to the means of its loader."""
        self._evaluate(batch, batch_idx, ("val", dataloader_idx), stream="validation")

    def on_validation_epoch_end(self) -> None:
        """Log the means of each loader, and what the objective says of the first."""
        means = self._log("val")
        if not self.objective.is_annealing(self.global_step):
            further = self.objective.of_validation(means)
            self.log_dict({f"val/{name}": float(value) for name, value in further.items()})

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch to the means of its loader."""
        self._evaluate(batch, batch_idx, ("test", dataloader_idx), stream="test")

    def on_test_epoch_end(self) -> None:
        """Log the means of each loader."""
        self._log("test")

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """What the model makes of a batch.

        Returns:
            "mu" and "log_var" of q(z|x), [B, D], where its moments are known; "z", a draw of it, [B, D]; where p(x|z)
            knows its mean, "reconstruction", E[x|z] at that draw, and "reconstruction_of_mu", E[x|z = mu], [B, ...].
        """
        x = self._x(batch)
        q = self(x)
        z = q.from_noise(self._noise(x, generator("cpu", self.seed, "predict", batch_idx))).z[0]
        moments = q.moments()
        known = {} if moments is None else {"mu": moments.mean, "log_var": moments.variance.log()}
        found = {**known, "z": z}
        if self.model.has_means():
            found["reconstruction"] = self.model.decoder(z).mean
            if moments is not None:
                found["reconstruction_of_mu"] = self.model.decoder(moments.mean).mean
        return found

    def _check_posterior(self, x: Tensor) -> None:
        """Refuse a posterior that the objective or the gradient does not fit, by the first batch that there is."""
        if self._is_checked or not is_known(self.model):
            return
        for problem in posterior_problems(self.objective, self.gradient, self.model, x[:2], words=self._words):
            raise InputError(problem)
        self._is_checked = True

    @property
    def _words(self) -> Words:
        return Words(
            objective=type(self.objective).__name__,
            gradient=f"VAEModule(gradient={type(self.gradient).__name__}(...))",
            posterior="VAEModule",
            likelihood="VAEModule",
            batch="VAEModule: a batch of",
            diagonal="DiagonalPosterior",
            whole_rate="give per_unit=False",
            samples=f"give samples={self.gradient.least_samples}",
            score_function="give gradient=ScoreFunction(), samples=2",
        )

    def _x(self, batch: Any) -> Tensor:
        """The x of a batch, in the precision of the model."""
        return x_of(batch, self.key).to(next(self.model.parameters()).dtype)

    def _noise(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """This process's rows of the noise of all processes' batches, which their samplers deal out in turn."""
        everyone = self.trainer.world_size
        eps = self.model.noise(self.samples, x, noise, examples=everyone * len(x))
        return eps[:, self.global_rank :: everyone]

    def _context(self, x: Tensor, noise: torch.Generator) -> Tensor | None:
        """This process's rows of what all processes' batches are given beside x, likewise; None for nothing."""
        everyone = self.trainer.world_size
        whole = self.objective.context(everyone * len(x), noise)
        if whole is None or everyone == 1:
            return whole
        return whole.repeat_interleave(everyone * len(x) // len(whole))[self.global_rank :: everyone]

    def _evaluate(self, batch: Any, batch_idx: int, split: Split, *, stream: str) -> None:
        x = self._x(batch)
        self._check_posterior(x)
        noise = generator("cpu", self.seed, stream, batch_idx)
        terms = self.model.terms(x, self._noise(x, noise))
        self._add(split, terms, self.objective(terms, self.global_step, noise=noise))

    def _add(self, split: Split, terms: Terms, loss: Tensor) -> None:
        """A batch to the means of its split and loader."""
        if split not in self._means:
            # Of a training batch of many betas there is no objective of one.
            is_of_one = self.objective.betas is None or split[0] != "train"
            slope = self.objective.slope() if is_of_one else None
            means = RateDistortion(self.model.latent_dim, slope=slope)
            self._means[split] = means.to(loss.device)
        add_examples(self._means[split], [example_terms(terms, loss, latent_dim=self.model.latent_dim)])

    def _log(self, word: str) -> dict[str, float]:
        """The means of a split's loaders, which begin anew; those of the first."""
        found = {loader: read_means(means) for (split, loader), means in sorted(self._means.items()) if split == word}
        for loader, means in found.items():
            end = f"/dataloader_idx_{loader}" if loader else ""
            for name, value in means.items():
                is_shown = name == "objective" and not loader
                self.log(f"{word}/{name}{end}", float(value), prog_bar=is_shown, add_dataloader_idx=False)
        return found.get(0, {})
