"""What runs draw or reconstruct, one row each in order of beta, with D and R beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import LINE_HEIGHT, head_of, lines_of, titled
from analysis.marks.packing import wide
from analysis.marks.pictures import cells, image_rows
from analysis.rows.data_sets import data_sets
from analysis.rows.groups import Groups, add_settings, group_runs
from analysis.rows.media import Tiles, load_pictures, thinned
from analysis.rows.runs import as_rows, of_split
from analysis.style import DIGIT, LETTER, STYLE, beta_words, characters, length, plain, small_letters, unit_label
from analysis.theme import themed
from analysis.venues import look, width_of
from analysis.view import View

KIND = "samples"
IMAGES, MOST = 8, 12  # in a row of a column, and rows of a data set, where nothing else is asked for
RIGHT, HEAD, BOTTOM, EDGE = 0.95, 0.15, 0.06, 0.08  # inches of words behind and above the images, and of none
TILE, LARGEST = 0.24, 0.4  # inches that a tile has about, where nothing else is asked for, and at most
UNDEFINED = "\N{EN DASH}"


class Row(NamedTuple):
    """Images of one run or unit, the words before them, and numbers behind them."""

    images: np.ndarray
    left: str
    right: tuple[str, ...]


class Block(NamedTuple):
    """Rows under a title; `heads` name the numbers behind the rows where they are named above these, else none."""

    rows: list[Row]
    title: str
    heads: tuple[str, ...]
    width: float

    @property
    def tile_height(self) -> float:
        """Inches of a row, of whose width the images have `width`."""
        height, width = self.rows[0].images.shape[1:3]
        return self.images_width / len(self.rows[0].images) * height / width

    @property
    def images_width(self) -> float:
        """Inches of the images of a row: few of them do not fill it."""
        return min(self.width, LARGEST * len(self.rows[0].images))

    @property
    def names_height(self) -> float:
        """Inches of what names the words, below the title: none where both have room in one line."""
        if not (self.title and self.heads):
            return 0.0
        longest = wide(self.title) * LETTER * small_letters() / 72
        return HEAD * (longest > self.images_width)

    @property
    def head_height(self) -> float:
        """Inches of the title and of what names the words."""
        title = lines_of(self.title) * LINE_HEIGHT + 0.07 * bool(self.title)
        return max(title + self.names_height, HEAD * bool(self.heads))

    @property
    def height(self) -> float:
        """Inches in all."""
        return self.head_height + len(self.rows) * self.tile_height


def samples(runs: pd.DataFrame, **view: Any) -> Figure:
    """Images that each run draws, z ~ m(z), one row a run in order of beta, with D and R of the split.

    Args:
        runs: from `load_runs`; pictures are read from the same folders, and each data set has axes of its own.
        view: fields of `analysis.view.View`; `more` may have `images`, in a row, and `most`, rows.

    Raises:
        InputError: where no run has pictures, or some are damaged.

    Warns:
        RunWarning: one line that names the runs left out, for want of pictures or of room.
    """
    return draw(runs, View(**view))


def draw(runs: pd.DataFrame, view: View) -> Figure:
    """`samples`, for the table of figures."""
    return picture_rows(runs, view, kind=KIND)


def numbers(runs: pd.DataFrame, view: View) -> dict[str, pd.DataFrame]:
    """D and R of each run, as they stand beside its row."""
    return picture_numbers(runs, view, kind=KIND)


def picture_rows(runs: pd.DataFrame, view: View, *, kind: str) -> Figure:
    """A figure of a kind of picture, a row for each run, below each other by data set and group."""
    tiles, groups = load_pictures(runs, kind), group_runs(runs, by=view.group_by)
    parts = titled(runs[runs["folder"].isin(tiles)])
    with look(view):
        page = width_of(view)
        left = room_for(_before(runs))
        row = page - left - RIGHT
        blocks = [b for title, rows in parts for b in _blocks(rows, title, tiles, groups, view, kind=kind, width=row)]
        return draw_blocks(blocks, left=left, view=view)


def room_for(words: Iterable[str]) -> float:
    """Inches that the longest of the words before rows takes."""
    return max(map(length, words)) * DIGIT * STYLE["legend.fontsize"] / 72 + EDGE


def draw_blocks(blocks: Sequence[Block], *, left: float, view: View) -> Figure:
    """A figure of blocks below each other, with so many inches before their images."""
    page, height = width_of(view), 2 * BOTTOM + sum(block.height for block in blocks)
    figure, top = Figure(figsize=(page, height)), height - BOTTOM
    for block in blocks:
        place = (left / page, (top - block.height) / height)
        ax = figure.add_axes((*place, block.images_width / page, (block.height - block.head_height) / height))
        _draw_block(block, left, ax=ax)
        top -= block.height
    return themed(figure, view)


def _before(runs: pd.DataFrame) -> list[str]:
    """The words that may stand before a row."""
    return ["no $\\beta$", *(f"$\\beta$ = {word}" for word in beta_words(runs["beta"].dropna()).values())]


def _draw_block(block: Block, left: float, *, ax: Axes) -> None:
    rows = block.rows
    image_rows([row.images for row in rows], left=[row.left for row in rows], right=[r.right for r in rows], ax=ax)
    if block.heads:
        cells(block.heads, -HEAD / 2 / block.tile_height, columns=len(rows[0].images), ax=ax)
    before = -(left - EDGE) / block.images_width
    ax.set_title(block.title, fontsize=STYLE["legend.fontsize"], loc="left", pad=3 + 72 * block.names_height, x=before)


def _blocks(
    runs: pd.DataFrame, title: str, tiles: dict[str, Tiles], groups: Groups, view: View, *, kind: str, width: float
) -> Iterator[Block]:
    """The rows of one data set, those of each group together; x comes first where there is one."""
    shown = thinned(groups.ordered(of_split(runs, view.split)), view.more.get("most") or MOST)
    count, words = view.more.get("images") or max(IMAGES, int(width / TILE)), beta_words(shown["beta"].dropna())
    head = head_of(runs, title, width=width)
    heads: tuple[str, ...] = (f"$D$ [{unit_label(shown['units'].iloc[0])}]", "$R$")
    if kind == "reconstructions":
        yield Block([Row(tiles[shown["folder"].iloc[0]].rows[0][:count], "$x$", ())], head, heads, width)
        head, heads = "", ()
    places = groups.places(shown)
    for place in sorted(places.unique()):
        rows = [_row(run, tiles[run["folder"]], words, count, kind=kind) for run in as_rows(shown[places == place])]
        label = plain(groups.labels[place]) if groups.distinguished else ""
        label = textwrap.fill(label, characters(width))
        yield Block(rows, "\n".join(filter(None, (head, label))), heads, width)
        head, heads = "", ()


def _row(run: dict[str, Any], tiles: Tiles, words: dict[float, str], count: int, *, kind: str) -> Row:
    images = tiles.rows[1] if kind == "reconstructions" else tiles.images
    left = "no $\\beta$" if np.isnan(run["beta"]) else f"$\\beta$ = {words[run['beta']]}"
    return Row(images[:count], left, tuple(number(run[name]) for name in ("distortion", "rate")))


def number(value: float) -> str:
    """Of two digits, as it stands behind a row."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else UNDEFINED


def picture_numbers(runs: pd.DataFrame, view: View, *, kind: str) -> dict[str, pd.DataFrame]:
    """What stands beside the rows, and where each image comes from."""
    tiles = load_pictures(runs, kind)
    parts = [of_split(part, view.split).assign(data=name) for name, part in data_sets(runs).items()]
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["folder"].isin(tiles)]
    columns = ["run", "folder", "data", "beta", "seed", "units", "split"]
    columns += [f"{name}{end}" for name in ("distortion", "rate") for end in ("", "_stderr")]
    files = [f"media/{tiles[folder].entry['file']}" for folder in rows["folder"]]
    facts = {"epoch": [tiles[folder].entry["epoch"] for folder in rows["folder"]], "file": files}
    facts["of"] = [tiles[folder].entry["of"] for folder in rows["folder"]]
    return {"": add_settings(rows[columns].assign(**facts), runs)}
