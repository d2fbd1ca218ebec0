"""torch's own distributions as a q(z|x) and an m(z): whatever has `log_prob` and a sampler, of any event shape.

z is flat here, [..., D]; a distribution of events [C, H, W] has D = C H W units. What has a family of its own here
becomes one, for its closed forms and its quick pairs: Independent(Normal), MultivariateNormal, OneHotCategorical.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, OneHotCategorical, kl_divergence

from vae_rd.errors import InputError
from vae_rd.functional.gaussians import Gaussian, kl_by_units
from vae_rd.functional.precision import at_least_single
from vae_rd.functional.seeding import own_stream
from vae_rd.model.posteriors.base import Draw, Moments, Posterior
from vae_rd.model.posteriors.categorical import CategoricalLatent
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.posteriors.full import FullNormal
from vae_rd.model.priors.base import Prior
from vae_rd.model.priors.categorical import CategoricalMarginal
from vae_rd.model.priors.normal import StandardNormal

NUMBERS = 2**24  # Of pairs of z and x at a time.
WRAPPED = "Independent(Normal(mu, sigma), 1)"


def shaped(z: Tensor, event: Sequence[int]) -> Tensor:
    """Flat z, [..., D], as events, [..., *event]; an event of no dimensions is one number."""
    return z.reshape(*z.shape[:-1], *event)


class TorchPosterior(Posterior):
    """q(z|x) of any torch Distribution, or of those of several batches one after another.

    Draws are those of torch's samplers, whose stream the noise seeds.

    Args:
        parts: each of batch shape [B_i], all of one event shape.
        index: positions of the examples that this is of, in any order; None for all.

    Example:
        >>> q = TorchPosterior(torch.distributions.Laplace(torch.zeros(3), torch.ones(3)))
        >>> q.batch_shape, q.event_shape, q.log_prob(torch.zeros(3, 1))[0]
        (torch.Size([3]), torch.Size([1]), tensor(-0.6931))
    """

    most_compared = (500, 10_000)  # Three seconds of a core for 10 units.

    def __init__(self, *parts: Distribution, index: Tensor | None = None) -> None:
        self.parts, self.event, self.has_rsample = parts, parts[0].event_shape, parts[0].has_rsample
        sizes = [part.batch_shape[0] for part in parts]
        self.starts = torch.tensor([0, *sizes]).cumsum(0)
        self.index = torch.arange(sum(sizes)) if index is None else index
        Distribution.__init__(self, self.index.shape, torch.Size([self.event.numel()]), validate_args=False)

    @property
    def noise_dim(self) -> int:
        """One number of noise, which seeds a sampler."""
        return 1

    def from_noise(self, eps: Tensor) -> Draw:
        """As many draws of torch's sampler as there are of noise, [S, B, 1]; with a gradient where torch's have one."""
        (q,) = self.parts
        with own_stream(eps.device, _seed_of(eps)):
            z = (q.rsample if q.has_rsample else q.sample)(eps.shape[:1])
        return Draw(z.reshape(*eps.shape[:2], -1))

    def log_prob(self, value: Tensor) -> Tensor:
        """ln q(z|x), [...] for z [..., D] of a single batch."""
        (q,) = self.parts
        return q.log_prob(shaped(value, self.event))

    def moments(self) -> Moments | None:
        """Those that torch knows, if they are finite."""
        try:
            of_all = (torch.cat([_flat(getattr(q, name)) for q in self.parts]) for name in Moments._fields)
            mean, variance = (values[self.index.to(values.device)] for values in of_all)
        except NotImplementedError:
            return None
        return Moments(mean, variance) if bool((mean + variance).isfinite().all()) else None

    def pairwise_log_prob(self, z: Tensor) -> Tensor:
        """ln q(z_i|x_j), [M, N], a batch of x at a time."""
        tables = [_pairs(q, shaped(z, self.event)) for q in self.parts]
        return torch.cat(tables, 1)[:, self.index.to(z.device)].to(z)

    def part(self, some: slice | Tensor) -> Self:
        """Of some of the examples, by the batches that hold them and no others, since torch's cannot be cut."""
        wanted = self.index[some if isinstance(some, slice) else some.cpu()]
        batch = torch.searchsorted(self.starts, wanted, right=True) - 1
        held, place = batch.unique(return_inverse=True)
        moved = self.starts.diff()[held].cumsum(0) - self.starts[held + 1]  # By the batches before that are left out.
        return type(self)(*(self.parts[number] for number in held.tolist()), index=wanted + moved[place])

    def to(self, where: torch.device | str, dtype: torch.dtype) -> Self:
        """Itself: torch's distributions stay where they are, in their precision."""
        return self

    def on(self, where: torch.device | str) -> Self:
        """Itself."""
        return self

    def detached(self) -> Self:
        """Itself: it is made for computations without a gradient."""
        return self

    @classmethod
    def cat(cls, parts: Sequence[Self]) -> Self:
        """The posteriors of all examples of several."""
        before = torch.stack([part.starts[-1] for part in parts]).cumsum(0)
        index = [part.index + start - part.starts[-1] for part, start in zip(parts, before, strict=True)]
        return cls(*(q for part in parts for q in part.parts), index=torch.cat(index))


class TorchPrior(Prior):
    """m(z) of any torch Distribution of batch shape [].

    Args:
        base: of events of z.

    Example:
        >>> m = TorchPrior(torch.distributions.Laplace(0.0, 1.0).expand([2]))
        >>> m.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(self, base: Distribution) -> None:
        self.base = Independent(base, len(base.batch_shape)) if base.batch_shape else base
        self.event = self.base.event_shape
        super().__init__(event_shape=torch.Size([self.event.numel()]), validate_args=False)

    @property
    def is_continuous(self) -> bool:  # type: ignore[override]
        """Whether z is real."""
        return not is_discrete(self.base)

    def log_prob(self, value: Tensor) -> Tensor:
        """ln m(z), [...] for z [..., D]."""
        return self.base.log_prob(shaped(value, self.event))

    def log_prob_per_dim(self, value: Tensor) -> Tensor | None:
        """ln m(z_d), [..., D], where m is a product over single numbers."""
        product = factorised(self.base)
        return None if product is None else product.log_prob(shaped(value, self.event)).reshape(value.shape)

    def sample(  # type: ignore[override]
        self, sample_shape: Sequence[int] = (), *, generator: torch.Generator
    ) -> Tensor:
        """Draws of shape [*sample_shape, D], on the device of the distribution."""
        seed = torch.randint(2**62, (), generator=generator, device=generator.device)
        with own_stream(generator.device, int(seed)):
            return self.base.sample(torch.Size(sample_shape)).reshape(*sample_shape, -1)


def posterior_of(q: object) -> Posterior:
    """q(z|x), any torch Distribution of batch shape [B], over flat z.

    Args:
        q: of events of any rank.

    Raises:
        InputError: for what is none, or has more batch dimensions than examples.

    Example:
        >>> q = Independent(Normal(torch.zeros(5, 4, 8, 8), torch.ones(5, 4, 8, 8)), 3)
        >>> type(posterior_of(q)).__name__, posterior_of(q).event_shape
        ('DiagonalNormal', torch.Size([256]))
    """
    if isinstance(q, Posterior):
        return q
    if not isinstance(q, Distribution):
        raise InputError(f"encoder: it returned {said(q)}, not q(z|x); wrap it: {WRAPPED}")
    if len(q.batch_shape) != 1:
        shape = list(q.batch_shape)
        raise InputError(
            f"encoder: {type(q).__name__} has batch shape {shape}, not that of examples; wrap it: {WRAPPED}"
        )
    product = factorised(q)
    if isinstance(product, Normal):
        mu, sigma = (_flat(at_least_single(values)) for values in (product.loc, product.scale))
        return DiagonalNormal(mu, 2 * sigma.log())
    if isinstance(q, MultivariateNormal):
        return _full(q.loc, q.scale_tril)
    return CategoricalLatent(q.logits) if isinstance(q, OneHotCategorical) else TorchPosterior(q)


def prior_of(prior: Distribution | None, like: Tensor, *, event: Sequence[int], discrete: bool = False) -> Prior:
    """m(z), a torch Distribution of batch shape [], over flat z.

    Args:
        prior: of events of z, or of one of its numbers, which then holds for all; None for N(0, I).
        like: z, [..., D], for its device and precision.
        event: of z, whose product is D.
        discrete: whether z is not real, so that there is no N(0, I) of it.

    Raises:
        InputError: where it is of other events.

    Example:
        >>> type(prior_of(Normal(0.0, 1.0), torch.zeros(2), event=[2])).__name__
        'StandardNormal'
    """
    if isinstance(prior, Prior):
        return prior
    if prior is None and discrete:
        raise InputError("prior: z is discrete, and N(0, I) is real; give the prior that the model was trained with")
    if prior is None:
        return StandardNormal(like.new_zeros(like.shape[-1]))
    if not isinstance(prior, Distribution):
        raise InputError(
            f"prior: it is {said(prior)}; give a torch Distribution, such as {WRAPPED}, or None for N(0, I)"
        )
    shape = prior.batch_shape + prior.event_shape
    if shape != torch.Size(event):
        if shape.numel() != 1 or prior.event_shape:
            raise InputError(f"prior: it is of shape {list(shape)}, z of {list(event)}; give one of the shape of z")
        prior = prior.expand(torch.Size(event))
    if isinstance(prior, OneHotCategorical):
        return CategoricalMarginal(prior.logits)
    product = factorised(prior)
    if type(product) is Normal and bool((product.loc == 0).all() and (product.scale == 1).all()):
        return StandardNormal(product.loc.flatten())
    return TorchPrior(prior)


def torch_rate_per_dim(q: Posterior, m: Prior) -> Tensor | None:
    """KL(q(z|x) || m(z)) by units, [B, D]: where both are products over numbers, or normal; else None.

    Source: torch.distributions.kl, for products the KL of each number.
    """
    p, r = _of_torch(q, m)
    of_p, of_r = factorised(p), factorised(r)
    if of_p is not None and of_r is not None:
        parts = _kl(of_p, of_r)
        return None if parts is None else _flat(parts)
    normal_p, normal_r = _gaussian(p, batch=1), _gaussian(r, batch=0)
    return None if normal_p is None or normal_r is None else kl_by_units(normal_p, normal_r)


def torch_rate(q: Posterior, m: Prior) -> Tensor | None:
    """KL(q(z|x) || m(z)), [B], where torch knows it; else None."""
    return _kl(*_of_torch(q, m))


def factorised(p: Distribution) -> Distribution | None:
    """The distribution of each number of an event where these are independent, with all of their shape; else None.

    Example:
        >>> factorised(Independent(Normal(torch.zeros(5, 2), 1.0), 1)).batch_shape
        torch.Size([5, 2])
    """
    while isinstance(p, Independent):
        p = p.base_dist
    return None if p.event_shape else p


def is_discrete(p: Distribution) -> bool:
    """Whether its values are no real numbers, as far as it says so."""
    try:
        return p.support is not None and bool(p.support.is_discrete)
    except (NotImplementedError, AttributeError):
        return False


def said(value: object) -> str:
    """What a value is, for who expected another."""
    return f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"of type {type(value).__name__}"


def _of_torch(q: Posterior, m: Prior) -> tuple[Distribution, Distribution]:
    """Both as torch's, of events of one shape."""
    event = m.event if isinstance(m, TorchPrior) else q.event if isinstance(q, TorchPosterior) else q.event_shape
    r = m.base if isinstance(m, TorchPrior) else _standard(m, event)
    match q:
        case TorchPosterior(parts=(p,)):
            return p, r
        case DiagonalNormal():
            mu, sigma = shaped(q.mu, event), shaped((0.5 * q.log_var).exp(), event)
            return Independent(Normal(mu, sigma, validate_args=False), len(event)), r
        case FullNormal():
            return MultivariateNormal(q.mu, scale_tril=q.gaussian.scale_tril, validate_args=False), r
    return q, r


def _standard(m: Prior, event: torch.Size) -> Distribution:
    if not isinstance(m, StandardNormal):
        return m
    origin = shaped(m.like.new_zeros(event.numel()), event)
    return Independent(Normal(origin, torch.ones_like(origin)), len(event))


def _kl(p: Distribution, r: Distribution) -> Tensor | None:
    """torch's, [B, ...], where it has one."""
    try:
        return kl_divergence(p, r.expand(p.batch_shape))  # torch's own of Bernoullis do not broadcast.
    except NotImplementedError:
        return None


def _gaussian(p: Distribution, *, batch: int) -> Gaussian | None:
    """Mean and triangular factor of a normal distribution of flat events."""
    if isinstance(p, MultivariateNormal):
        return Gaussian(p.loc, p.scale_tril)
    product = factorised(p)
    if not isinstance(product, Normal) or len(product.batch_shape) != batch + 1:
        return None
    return Gaussian(product.loc, torch.diag_embed(product.scale))


def _full(mu: Tensor, tril: Tensor) -> FullNormal:
    """N(mu, L L^T) by L = diag(sigma) (I + lower)."""
    mu, tril = at_least_single(mu), at_least_single(tril)
    sigma = tril.diagonal(dim1=-2, dim2=-1)
    lower = (tril / sigma[..., None]).tril(-1)
    return FullNormal(mu, 2 * sigma.log(), lower)


def _flat(values: Tensor) -> Tensor:
    """[B, *event] as [B, D]."""
    return values.reshape(len(values), -1)


def _pairs(q: Distribution, z: Tensor) -> Tensor:
    """ln q(z_i|x_j), [M, B] for events z [M, *event], so many z at a time that memory holds them."""
    rows = max(1, NUMBERS // max(1, q.batch_shape[0] * q.event_shape.numel()))
    return torch.cat([q.log_prob(some[:, None]) for some in z.split(rows)])


def _seed_of(eps: Tensor) -> int:
    """A seed that is a function of some noise."""
    digest = hashlib.blake2b(eps.detach().double().cpu().numpy().tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2
