"""What a server has imported before it forks the first fit; for such a server alone to import.

Its forks keep the memory that they free, as commands do. When the server ends, and when a fork searches for garbage,
none of these objects is looked at: there are many, and they stay.
"""

import gc

from vae_rd.process.imports import without_collection
from vae_rd.process.native import keep_freed_memory, wait_briefly

keep_freed_memory()
wait_briefly()
with without_collection():
    import vae_rd.experiment.fitting
    import vae_rd.experiment.packing  # noqa: F401
gc.freeze()
