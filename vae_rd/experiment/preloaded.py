"""What a server has imported before it forks the first fit; for such a server alone to import.

When the server ends, and when a fork searches for garbage, none of these objects is looked at: there are
many, and they stay.
"""

import gc

from vae_rd.process.imports import without_collection

with without_collection():
    import vae_rd.experiment.fitting
    import vae_rd.experiment.packing  # noqa: F401
gc.freeze()
