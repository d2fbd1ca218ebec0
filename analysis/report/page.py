"""The file itself: a page with its styles, its script, plotly and its data inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from vae_rd.errors import InputError

SCRIPTS = ("dom", "theme", "plane", "charts", "table", "filters", "detail", "panel", "main")  # in this order


def plotly_script() -> str:
    """The source of plotly.js.

    Raises:
        InputError: where plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise InputError("report needs plotly: pip install 'vae_rd[report]'") from None
    return str(get_plotlyjs())


def page(content: Mapping[str, Any], *, plotly: str) -> str:
    """The whole page; equal contents give the same one.

    Args:
        content: from `analysis.report.contents.contents`.
        plotly: from `plotly_script`.
    """
    data = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    script = "\n".join(_part(f"{name}.js") for name in SCRIPTS)
    parts = {
        "STYLE": _part("report.css"),
        "PLOTLY": plotly,
        "SCRIPT": f'"use strict";\n(() => {{\n{script}\n}})();',
        "DATA": data.replace("<", "\\u003c"),  # Nothing in it ends the block.
    }
    pieces = _part("report.html").split("@@")  # Every other one is the name of a part.
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


@cache
def _part(name: str) -> str:
    return files("analysis.report").joinpath(name).read_text(encoding="utf-8")
