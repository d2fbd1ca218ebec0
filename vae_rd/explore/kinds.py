"""The explorations of a run, by the words of `--only`: one row for each. The words are in
`vae_rd.config.explorations`."""

from __future__ import annotations

from vae_rd.explore import inference, interpolation, ood, regularity, samples
from vae_rd.explore.base import Exploration

KINDS: dict[str, Exploration] = {
    "samples": Exploration(samples.samples, samples.why_not),
    "regularity": Exploration(regularity.regularity, regularity.why_not),
    "ood": Exploration(ood.ood, ood.why_not),
    "inference": Exploration(inference.inference, inference.why_not),
    "interpolation": Exploration(interpolation.interpolation, interpolation.why_not),
}
