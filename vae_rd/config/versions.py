"""What configs of earlier versions leave unsaid.

A run's config is written down whole, with the version of the defaults that it was made under. A field that was added
since is not in it; it means what the code did before there was such a field, whatever its default is now.

To change a default: raise DEFAULTS_VERSION, and give every older version in EARLIER the value that it had. To add a
field whose default is not what the code did before: likewise. A new run that reads such a field has a name of its own;
one that does not is the same run as before, under whichever version it was made. Old runs keep their names, and both
load, resume, and are found by a sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

RECORD_FILE = "record.json"  # Beside a whole config.yaml: the file is a run's own, and no user's.
# What a command asks for once: the config.yaml of a run has neither, or whoever begins another run by it, or goes on
# with this one, would ask for it again.
ONCE: Mapping[str, Any] = MappingProxyType({"resume": "never", "overwrite": False})
DEFAULTS_VERSION = 3
# By version, what a field meant unsaid where that is not what it means now.
_UNTIL_2 = {
    "information_examples": None,
    "activation": "relu",
    "standardize": False,
    "whiten": False,
    "log_var_bound": None,
    "beta_warmup": 0,
    "beta_start": 0.0,
    "lr": 1e-3,
    "lr_schedule": "cosine",
    "rate_weight": 10.0,
}
EARLIER: Mapping[int, Mapping[str, Any]] = MappingProxyType({1: {"file_rules": "1", **_UNTIL_2}, 2: _UNTIL_2})
# The fields of version 1. Names hash all of them, which keeps the names of runs from before there were versions; of a
# later field they hash what is read and differs from version 1. By their presence a run's config.yaml of that time is
# known.
# fmt: off
FIRST_FIELDS = frozenset({
    "data", "data_dir", "data_file", "data_seed", "gaussian_eigenvalues", "sphere_dim", "flip_probability",
    "binarization", "dequantize", "n_train", "n_test", "encoder", "posterior", "decoder", "hidden", "latent_dim",
    "prior", "likelihood", "whiten", "likelihood_scale", "objective", "beta", "beta_warmup", "beta_start", "samples",
    "batch_size", "max_epochs", "max_steps", "lr", "lr_schedule", "weight_decay", "grad_clip", "patience",
    "val_every", "seed", "precision", "eval_samples", "devices", "num_nodes", "accelerator", "strategy", "wandb",
    "wandb_project", "run_dir", "name", "resume", "overwrite",
})
