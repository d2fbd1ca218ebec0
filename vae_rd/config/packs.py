"""Which runs can be trained in one pack: those whose networks, data and arithmetic are the same."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from vae_rd.config.fields import FitConfig, to_dict

# Of the flags, in which the members of a pack may differ; any other decides shapes, functions, data or the device.
FREE = frozenset(
    (
        *("beta", "beta_warmup", "warmup_unit", "beta_start", "beta_schedule"),
        *("target_rate", "target_distortion", "rate_weight"),
        *("lr", "lr_schedule", "weight_decay", "grad_clip", "max_epochs", "max_steps", "patience", "val_every", "seed"),
        *("eval_samples", "information_examples", "media_every", "units"),
        *("wandb", "wandb_project", "run_dir", "name", "resume", "overwrite", "defaults_version"),
    )
)


def kind_of(config: FitConfig) -> Hashable:
    """What the members of a stack have in common.

    Example:
        >>> kind_of(FitConfig(beta=1.0, seed=3)) == kind_of(FitConfig(beta=4.0))
        True
        >>> kind_of(FitConfig(latent_dim=2)) == kind_of(FitConfig(latent_dim=3))
        False
    """
    return tuple(f"{name} {value}" for name, value in to_dict(config).items() if name not in FREE)


def packs_of(configs: Sequence[FitConfig]) -> list[list[int]]:
    """The places of the configs that may be stacked, pack by pack, in the order of their first members.

    Example:
        >>> packs_of([FitConfig(beta=b, latent_dim=d) for d in (2, 3) for b in (1.0, 4.0)])
        [[0, 1], [2, 3]]
    """
    found: dict[Hashable, list[int]] = {}
    for place, config in enumerate(configs):
        found.setdefault(kind_of(config), []).append(place)
    return list(found.values())
