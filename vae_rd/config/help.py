"""The text of `python -m vae_rd.fit --help`, made from the fields."""

from __future__ import annotations

import json
import textwrap

from vae_rd.config.fields import FIELDS, FitConfig, choices


def help_text() -> str:
    """The text of `--help`: flags by group with default, choices and meaning."""
    lines = [
        "usage: python -m vae_rd.fit [--FLAG VALUE]... [--config FILE]... [--print_config] [--version] [--help]",
        "",
        "Fit a variational autoencoder at one beta; leave its rate, distortion and bounds in <run_dir>/<name>.",
    ]
    group = None
    for name, field in FIELDS.items():
        if field.metadata["group"] != group:
            group = field.metadata["group"]
            lines += ["", f"{group}:"]
        lines += _help_entry(name, field.metadata["meaning"])
    return "\n".join(lines)


def _help_entry(name: str, meaning: str) -> list[str]:
    default = getattr(FitConfig(), name)
    shown = default if isinstance(default, str) else json.dumps(default)
    words = f" {{{','.join(choices(name))}}}" if choices(name) else ""
    text = textwrap.wrap(f"{meaning}{words} (default {shown})", 88, break_on_hyphens=False, break_long_words=False)
    return [f"  --{name:<18} {text[0]}", *(" " * 23 + line for line in text[1:])]
