"""Terms of a model made of callables that return torch Distributions: x -> q(z|x), z -> p(x|z).

Public to whatever meets others' models (`vae_rd.foreign`, callbacks, adapters):

    terms_of(x, q, decode, prior=None, samples=1, noise=None) -> DrawnTerms     values [S, B], moments [B, D]
    posterior_of(q) -> Posterior                                                for information over a whole split

KL is analytic where `vae_rd.model.closed_forms` or torch knows it, else a draw: `terms.is_rate_analytic` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from vae_rd.errors import InputError
from vae_rd.model.closed_forms import expected_log_prob
from vae_rd.model.lazy import LazyDistribution
from vae_rd.model.posteriors.base import Posterior
from vae_rd.model.priors.base import Prior
from vae_rd.model.terms import DrawnTerms, Group
from vae_rd.model.torch_distributions import TorchPosterior, is_discrete, posterior_of, prior_of, said, shaped
from vae_rd.model.vae import VAE

Decode = Callable[[Tensor], Any]


class Scored(Distribution):
    """p(x|z) of a batch of z in any leading dimensions, from one of a single batch, which is what decoders make.

    Args:
        base: of batch shape [N], whose event is an x.
        lead: dimensions whose product is N.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, base: Distribution, lead: Sequence[int]) -> None:
        self.base = base
        super().__init__(torch.Size(lead), base.event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """E[x|z], [*lead, *event]."""
        return self.base.mean.unflatten(0, self.batch_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws, [*sample_shape, *lead, *event]."""
        size = torch.Size(sample_shape)
        return self.base.sample(size).reshape(size + self.batch_shape + self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln p(x|z), [*lead] for x whose leading dimensions broadcast to it.

        Raises:
            InputError: where it is not one number for each x, or x lies where p(x|z) has none.
        """
        event = value.ndim - len(self.event_shape)
        _check_shape(self.base, value)
        _check_support(self.base, value)
        lead = torch.broadcast_shapes(value.shape[:event], self.batch_shape)
        if lead != self.batch_shape:  # More x for each z.
            return self.base.log_prob(value)
        every = value.expand(lead + self.event_shape).flatten(end_dim=len(lead) - 1)
        return _summed(self.base.log_prob(every), every).view(lead)


class TorchEncoder(LazyDistribution):
    """q(z|x) of a callable that returns a torch Distribution."""

    def __init__(self, encode: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.encode = [encode]  # In a list: a module given here is not this one's to train or to save.

    def forward(self, context: Tensor) -> Posterior:
        """x [B, ...] to q(z|x) of batch shape [B]."""
        return self.checked(self.encode[0](context), context)

    @staticmethod
    def checked(q: object, x: Tensor) -> Posterior:
        """What the callable returned for x, as a posterior.

        Raises:
            InputError: for what is no distribution, or not one for each example.
        """
        posterior = posterior_of(q)
        if len(x) != posterior.batch_shape[0]:
            raise InputError(
                f"encoder: q(z|x) is of {posterior.batch_shape[0]} examples, x of {len(x)}; one q for each x"
            )
        return posterior


class TorchDecoder(LazyDistribution):
    """p(x|z) of a callable that returns a torch Distribution.

    Args:
        decode: z [N, *event] -> p(x|z) of batch shape [N].
        event: of z.
        dtype: of z, where it is not that of its draws.
    """

    def __init__(self, decode: Decode, event: Sequence[int], dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.decode, self.event, self.dtype = [decode], tuple(event), dtype

    def forward(self, context: Tensor) -> Scored:
        """z [..., D] to p(x|z) of batch shape [...]."""
        z = shaped(context.flatten(end_dim=-2), self.event)
        p = self.decode[0](z if self.dtype is None else z.to(self.dtype))
        if not isinstance(p, Distribution):
            raise InputError(
                f"decoder: it returned {said(p)}, not p(x|z); wrap it, for bits: Independent(Bernoulli(logits=...), 3)"
            )
        return Scored(p, context.shape[:-1])


class TorchPriorHead(LazyDistribution):
    """m(z) that is there already."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, context: Tensor | None = None) -> Prior:
        """The prior, batch shape []."""
        return self.prior


@torch.no_grad()
def vae_of(x: Tensor, *, encode: Callable[[Tensor], Any], decode: Decode, prior: Distribution | None = None) -> VAE:
    """A VAE of callables, which hold what it consists of.

    Args:
        x: some examples, by which the shape of z is found.
        encode: x [B, ...] -> q(z|x) of batch shape [B].
        decode: as of `terms_of`.
        prior: as of `terms_of`.

    Raises:
        InputError: as `terms_of`.

    Example:
        >>> from torch.distributions import Bernoulli, Independent, Normal
        >>> model = vae_of(
        ...     torch.ones(5, 8),
        ...     encode=lambda x: Independent(Normal(x[:, :3], 1.0), 1),
        ...     decode=lambda z: Independent(Bernoulli(logits=z.repeat(1, 3)[:, :8]), 1),
        ... )
        >>> model.latent_dim, model.generate(2, generator=torch.Generator()).x.shape
        (3, torch.Size([2, 8]))
    """
    encoder, q = TorchEncoder(encode), encode(x)
    posterior = encoder.checked(q, x)
    like = _like(posterior, x)
    z = posterior.from_noise(like.new_zeros(1, len(x), posterior.noise_dim)).z
    return VAE(
        encoder,
        TorchDecoder(decode, event_of(q), z.dtype),
        TorchPriorHead(prior_of(prior, z, event=event_of(q), discrete=is_discrete(q))),
        latent_dim=z.shape[-1],
        noise_dim=posterior.noise_dim,
    )


def event_of(q: object) -> torch.Size:
    """The shape of z as its own distribution has it."""
    return q.event_shape if isinstance(q, Distribution) else torch.Size()


def terms_of(
    x: Tensor,
    q: Distribution,
    decode: Decode,
    *,
    prior: Distribution | None = None,
    samples: int = 1,
    noise: torch.Generator | None = None,
) -> DrawnTerms:
    """The terms of draws z ~ q(z|x): -ln p(x|z), the rate, its units and moments.

    Args:
        x: a batch, [B, ...].
        q: q(z|x), batch shape [B], of events of any rank.
        decode: z [S B, *event] -> p(x|z) of batch shape [S B], whose events are of the shape of an x.
        prior: m(z), batch shape []; None for N(0, I).
        samples: S.
        noise: of the draws; None to take torch's global stream.

    Raises:
        InputError: for what is no distribution, is not one for each example, or does not have x in its support.

    Example:
        >>> from torch.distributions import Bernoulli, Independent, Normal
        >>> x, mu = torch.ones(5, 1, 2, 2), torch.zeros(5, 3)
        >>> decode = lambda z: Independent(Bernoulli(logits=torch.zeros(len(z), 1, 2, 2)), 3)
        >>> terms = terms_of(x, Independent(Normal(mu, 1.0), 1), decode, samples=2)
        >>> terms.distortion.shape, terms.distortion[0, 0], terms.rate[0, 0], terms.is_rate_analytic
        (torch.Size([2, 5]), tensor(2.7726), tensor(0.), True)
    """
    posterior, event = posterior_of(q), event_of(q)
    like = _like(posterior, x)
    size = (samples, *posterior.batch_shape, posterior.noise_dim)
    device = "cpu" if noise is None else noise.device
    eps = torch.randn(size, generator=noise, device=device, dtype=like.dtype).to(like.device)
    draw, decoder = posterior.from_noise(eps), TorchDecoder(decode, event)
    return DrawnTerms(
        x=x,
        groups=[Group(draw, posterior, prior_of(prior, draw.z, event=event, discrete=is_discrete(q)))],
        likelihood=decoder(draw.z),
        expectation=lambda: expected_log_prob(posterior, decoder, x),
    )


def _like(q: Posterior, x: Tensor) -> Tensor:
    """A tensor in the precision and on the device of z."""
    if isinstance(q, TorchPosterior):
        return x if x.is_floating_point() else x.float()
    return q.tensors[0]


def _check_shape(p: Distribution, x: Tensor) -> None:
    """Refuse a p(x|z) that is not over whole examples."""
    if len(p.batch_shape) != 1 or x.shape[x.ndim - len(p.event_shape) :] != p.event_shape:
        batch, event, example = list(p.batch_shape), list(p.event_shape), list(x.shape[1:])
        raise InputError(
            f"decoder: {type(p).__name__} has batch shape {batch} and events {event}, for examples x of {example}: its "
            f"log_prob is not one number for each; wrap it: Independent(..., {len(example)})"
        )


def _summed(values: Tensor, x: Tensor) -> Tensor:
    """ln p(x|z) if it is one number for each x."""
    if values.shape != x.shape[:1]:
        shape, batch = list(values.shape), list(x.shape)
        raise InputError(f"decoder: log_prob of x {batch} has shape {shape}; sum it over all but the first dimension")
    return values


def _check_support(p: Distribution, x: Tensor) -> None:
    """Refuse an x that p(x|z) has no probability or density of."""
    try:
        if p.support is None or bool(p.support.check(x).all()):
            return
    except (NotImplementedError, AttributeError):
        return  # It does not say.
    base = p
    while hasattr(base, "base_dist"):
        base = base.base_dist
    raise InputError(
        f"x: {type(base).__name__} has no ln p of it: x lies between {x.min():.4g} and {x.max():.4g}, outside "
        f"{base.support}{_remedy(type(base).__name__)}"
    )


def _remedy(family: str) -> str:
    if "Bernoulli" in family:
        return "; cross-entropy of grey pixels is no likelihood: binarise x, or take a density of grey values"
    return "; bring x there, or take another p(x|z)"
