"""The map in CONTRIBUTING.md holds: every module is on it, imports only from above, and is light where it says so."""

HEAVY = ("torch", "lightning", "wandb")
FOR_ANALYSIS = tuple(f"vae_rd.{name}" for name in ("units", "theory", "run.record", "run.files", "verdicts", "errors"))
