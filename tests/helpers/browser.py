"""A real browser for pages that are files: Debian's Chromium, driven by playwright; and axe-core, where npm put it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ("gpu", "quic", "background-networking", "component-update", "sync")
DESK, PHONE = (1280, 900), (360, 740)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
needs_axe = pytest.mark.skipif(
    not AXE.is_file(), reason=f"no axe-core in {AXE.parents[2]}: npm install --prefix there axe-core"
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser that asks nothing of a network."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[dev]'")
    flags = [f"--disable-{flag}" for flag in FLAGS]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags, chromium_sandbox=False)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, path: Path, *, size: tuple[int, int] = DESK, scheme: str = "light", touch: bool = False
) -> Iterator[Any]:
    """The page, drawn; it ends in failure where it complained or asked a network for anything."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=touch, is_mobile=touch
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("html[data-drawn]")
    yield page
    context.close()
    assert faults == []


def until(page: Any, is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait for what the page is about to do; its policy forbids playwright's own way, which is `eval`."""
    for _ in range(round(20 * seconds)):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("the page has not come to that")
