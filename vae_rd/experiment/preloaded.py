"""What a server has imported before it forks the first fit; for such a server alone to import.

It ends, and its forks search for garbage, without a look at any of that.
"""

import gc

from vae_rd.process.imports import without_collection

with without_collection():
    import vae_rd.experiment.fitting
    import vae_rd.experiment.packing  # noqa: F401
gc.freeze()
