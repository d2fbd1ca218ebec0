"""The words of `python -m vae_rd.explore`: those of `--only`, for which `vae_rd.explore.kinds` has what they stand for,
and those of `--against`.
"""

from __future__ import annotations

from vae_rd.config.fields import OWN, choices

# For `--help`: what each leaves in RUN/explore/.
EXPLORATIONS: dict[str, str] = {
    "samples": "draws of the model beside their nearest training examples, and whether they are copies of these",
    "regularity": "holes of the prior, smoothness of the decoder, overlap of q(z) with the prior; two units as a grid",
    "ood": "other images ranked with the run's own by NLL, D and R: where the model takes them for likelier ones",
    "inference": "the best z for an x, by the encoder, by optimisation and by AIS, and what the encoder's costs",
    "interpolation": "straight paths, arcs and geodesics between codes: how long, and how far from the data",
}
AGAINST = tuple(word for word in choices("data") if word not in OWN)  # Nothing says where a second file would be.
