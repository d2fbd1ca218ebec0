"""Models of scvi-tools whose module returns a loss by cells: SCVI and its kin.

A cell's loss there is D + sum_k w_k R_k: D = -ln NB(x|z) or -ln ZINB(x|z), summed over genes, and a KL for each group
of latents: of z, and of the library size l where that is not taken as observed. Here D is that D and R the sum of all
of `kl_local`, whatever their weights in training. I is that of the latents whose normals the module shows (`qz`, `ql`).

With an observed library size, which is the default, the decoder reads ln sum_g x_g beside z; and a batch or covariate s
is read by both networks. D is then of p(x|z, l(x), s), and what R has to pay for is I(X; Z) less than all of x.

Source: https://github.com/scverse/scvi-tools, src/scvi/module/_vae.py; Lopez et al. 2018,
https://doi.org/10.1038/s41592-018-0229-2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from vae_rd.errors import InputError
from vae_rd.foreign.collecting import Seen, of_terms
from vae_rd.foreign.modules import device_of, measured
from vae_rd.functional.seeding import generator, own_stream
from vae_rd.model.posteriors.diagonal import DiagonalNormal
from vae_rd.model.stated import Terms

if TYPE_CHECKING:
    from vae_rd.foreign.result import RateDistortionResult

_LATENTS = (("qz", "pz"), ("ql", "pl"))  # Names of q(z|x) and m(z) in what a module's parts return.


def scvi(
    model: Any,
    *,
    adata: Any = None,
    indices: Sequence[int] | None = None,
    batch_size: int = 128,
    samples: int = 1,
    seed: int = 0,
    **more: Any,
) -> RateDistortionResult:
    """D, R and I of a model of scvi-tools, over cells.

    Args:
        model: trained or loaded, as by `scvi.model.SCVI.load`.
        adata: the cells; None for those the model was made with.
        indices: of the cells, such as `model.validation_indices`; None for all.
        batch_size: cells at a time.
        samples: draws of z a cell.
        seed: of the draws.
        more: of `vae_rd.foreign.collecting.of_terms`, as `beta`, `entropy` and `split`.

    Raises:
        InputError: for a model that has no loss by cells, whose counts were left out (minified), or where scvi-tools is
            not installed.
    """
    if getattr(model, "minified_data_type", None) is not None:
        raise InputError("scvi: the model's data is minified, without counts to measure D of; load it with all counts")
    cells = _loader(model, adata, indices, batch_size)
    with measured([model.module]):
        seen = _seen(model.module, cells, samples=samples, seed=seed)
        return of_terms(seen, seed=seed, **{"distortion": _statement(model.module)} | more)


def _statement(module: nn.Module) -> dict[str, str | None]:
    """What D is, as far as the module says it: -ln of the probability of counts."""
    family = getattr(module, "gene_likelihood", None)
    return {"family": family, "measure": "differential" if family == "normal" else "discrete"}


def _seen(module: nn.Module, cells: Iterable[Any], *, samples: int, seed: int) -> Iterator[Seen]:
    """Terms of each batch of cells, and their q of all latents that are normal."""
    device = device_of([module])
    for number, tensors in enumerate(cells):
        with own_stream(device, seed_of(seed, number)):
            drawn = [module(tensors) for _ in range(samples)]
        yield Seen(*_terms(drawn, generator("cpu", seed, "scvi", "z", number)), x=tensors["X"])


def seed_of(seed: int, number: int) -> int:
    """Of torch's global stream while a batch of cells is gone through."""
    return generator("cpu", seed, "scvi", number).initial_seed() % 2**63


def _loader(model: Any, adata: Any, indices: Sequence[int] | None, batch_size: int) -> Any:
    try:
        from scvi.dataloaders import AnnDataLoader
    except ImportError:
        raise InputError("scvi: scvi-tools is not installed; pip install scvi-tools") from None
    manager = model.get_anndata_manager(model.adata if adata is None else adata, required=True)
    return AnnDataLoader(manager, indices=indices, batch_size=batch_size, shuffle=False)


def _terms(drawn: Sequence[Any], noise: torch.Generator) -> tuple[Terms, DiagonalNormal | None]:
    """Of what a module's forward passes returned: parts of q, parts of p, and the loss."""
    losses = [loss for _, _, loss in drawn]
    if not getattr(losses[0], "kl_local", None):
        raise InputError("scvi: the module's loss has no kl_local by cells; give SCVI, or another model with q(z|x)")
    d, r = (torch.stack([_sum(getattr(loss, name)) for loss in losses]) for name in ("reconstruction_loss", "kl_local"))
    log_ratio = torch.full_like(d, torch.nan)  # kl_local is the KL, and no mean of draws to check it by.
    pairs = _normals(*drawn[0][:2])
    if not pairs:
        return Terms.stated(log_px_z=-d, rate=r, log_ratio=log_ratio), None
    mean, variance = (torch.cat([getattr(q, name) for q, _ in pairs], -1).cpu() for name in ("mean", "variance"))
    q = DiagonalNormal(mean, variance.log())
    z = q.from_noise(torch.randn(len(losses), *mean.shape, generator=noise)).z
    units = _by_units(pairs, r[0])
    return Terms.stated(
        log_px_z=-d, rate=r, rate_per_dim=units, mean=mean, variance=variance, log_ratio=log_ratio, z=z
    ), q


def _sum(by_name: Any) -> Tensor:
    """Of a module's terms by cells, [B]."""
    return torch.stack([value.detach().cpu() for value in by_name.values()]).sum(0)


def _normals(inference: Any, generative: Any) -> list[tuple[Normal, Any]]:
    """q(z|x) and m(z) of each group of latents that is normal."""
    found = [(inference.get(q), generative.get(p)) for q, p in _LATENTS]
    return [(q, p) for q, p in found if isinstance(q, Normal)]


def _by_units(pairs: Sequence[tuple[Normal, Any]], rate: Tensor) -> Tensor | None:
    """KL by units, [B, D], where that is all of the rate; None where a prior is no normal, or R has other parts."""
    if not all(isinstance(p, Normal) for _, p in pairs):
        return None
    units = torch.cat([torch.distributions.kl_divergence(q, p) for q, p in pairs], -1).cpu()
    return units if torch.allclose(units.sum(-1), rate, rtol=1e-4, atol=1e-4) else None
