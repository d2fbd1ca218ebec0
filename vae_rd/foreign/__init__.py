"""Models of others: measured by `rate_distortion` and the callback, and read from other libraries by the adapters."""

from vae_rd.foreign import adapters as adapters
