"""The best z for an x: by the encoder, by optimising q(z|x) for this x alone, and by annealed importance sampling.

    amortisation gap = -ELBO(q_encoder) - -ELBO(q*)          inference gap = -ELBO(q_encoder) - -ln p(x)

q* is the member of the encoder's family of largest ELBO for one x. -ln p(x) is bounded from above by AIS, in
expectation, so that the inference gap is bounded from below; what is left of it is the approximation gap, the family's.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vae_rd.estimates.base import Fitted, an_example, posterior, prior
from vae_rd.estimators.ais import adapt_step_sizes, anneal, decoder_distortion, log_mean_weight, prior_path
from vae_rd.estimators.annealing import Annealing, default_schedule
from vae_rd.estimators.gaps import local_posteriors
from vae_rd.explore.base import Asked, Found, Page, mean_of, means, page_of, said, some, without_codes
from vae_rd.functional.seeding import generator
from vae_rd.run.record import Json

EXAMPLES, SHOWN = 50, 16
STEPS = 400  # Of the search for q*.
CHAINS, TEMPERATURES, LEAPFROG_STEPS = 16, 300, 5
WAYS = ("encoder", "optimised", "AIS")


class Annealed(NamedTuple):
    """-ln p(x) from above, [N] nats, and a z of each x drawn by its weight, [N, D]."""

    nll: Tensor
    z: Tensor


def inference(run: Fitted, asked: Asked) -> Found:
    """-ELBO of the encoder's q and of q*, NLL by AIS, the gaps between them, and D at the z of each."""
    x = run.data.examples("test", some(run, "test", EXAMPLES, asked.seed))
    noise = generator(x.device, asked.seed, "explore", "inference")
    local = local_posteriors(run.vae, x, noise=noise, steps=STEPS)
    annealed = _annealed(run, x, asked)
    z = (local.encoder.mean, local.best.mean, annealed.z.to(local.best.mean))
    nll = annealed.nll
    values = {
        "negative_elbo_encoder": -local.elbo_encoder,
        "negative_elbo_optimised": -local.elbo,
        "nll_ais": nll,
        "amortisation_gap": local.elbo - local.elbo_encoder,
        "approximation_gap": -local.elbo - nll,
        "inference_gap": -local.elbo_encoder - nll,
        "last_gain": local.last_gain,
        **{f"distortion_{way}": _distortion(run, x, one) for way, one in zip(WAYS, z, strict=True)},
    }
    numbers: Json = {name: mean_of(value) for name, value in values.items()}
    columns = {name: value.tolist() for name, value in values.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    facts = {"chains": CHAINS, "temperatures": TEMPERATURES}
    return Found(_line(numbers), numbers, rows, _page(run, x, z), facts)


def _annealed(run: Fitted, x: Tensor, asked: Asked) -> Annealed:
    path = prior_path(prior(run), decoder_distortion(run.model, x), n=len(x))
    plan = Annealing(default_schedule([1.0], steps=TEMPERATURES), chains=CHAINS, leapfrog_steps=LEAPFROG_STEPS)
    noise = generator(x.device, asked.seed, "explore", "annealing")
    sizes = adapt_step_sizes(path, plan, generator=noise)
    *_, last = anneal(path, path.sample_prior(CHAINS, noise), plan, step_sizes=sizes, generator=noise)
    chosen = torch.multinomial(last.log_weights.softmax(0).T, 1, generator=noise)[:, 0]
    return Annealed(-log_mean_weight(last), last.point.z[chosen, torch.arange(len(x), device=x.device)])


@torch.no_grad()
def _distortion(run: Fitted, x: Tensor, z: Tensor) -> Tensor:
    return -run.model.decoder(z[None]).log_prob(x)[0].double()


def _page(run: Fitted, x: Tensor, z: tuple[Tensor, ...]) -> Page | None:
    if not run.model.has_means():
        return None
    rows = [x[:SHOWN], *(means(run.model, one[:SHOWN]) for one in z)]
    return page_of(run, rows, f"x, and E[x|z] at the z of: {', '.join(WAYS)}")


def _line(numbers: Json) -> str:
    return (
        f"-ELBO {said(numbers['negative_elbo_encoder'])} by the encoder, "
        f"{said(numbers['negative_elbo_optimised'])} optimised, NLL {said(numbers['nll_ais'])} by AIS: amortisation "
        f"gap {said(numbers['amortisation_gap'])}, approximation gap {said(numbers['approximation_gap'])} nats "
        f"(n = {numbers['nll_ais']['n']})"
    )


def why_not(run: Fitted) -> str | None:
    """It takes a q(z|x) with coordinates, and a real z that chains can follow gradients of."""
    if (why := without_codes(run)) is not None:
        return why
    q = posterior(run, an_example(run))
    if not prior(run).is_continuous or not q.perturbations:
        return f"q(z|x) is a {type(q).__name__}, which has no coordinates to be optimised along"
    return None
