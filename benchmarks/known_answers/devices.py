"""The device that a benchmark is asked to run on."""

from __future__ import annotations

import argparse

import torch


def device_of(accelerator: str, parser: argparse.ArgumentParser) -> torch.device:
    """That of "cpu" or "gpu"; where there is no GPU, the parser ends the command with 2."""
    if accelerator == "gpu" and not torch.cuda.is_available():
        parser.error("--accelerator gpu: torch finds no CUDA device here; choose --accelerator cpu")
    return torch.device("cuda" if accelerator == "gpu" else "cpu")
