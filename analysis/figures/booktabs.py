r"""Tables in LaTeX with the rules of booktabs, in letters that fit the page, over several pages where they are long."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analysis.figures.cells import Cells, Table, lines_of
from analysis.latex import ERROR, head, latex

PAGE = 345.0  # points: the text of LaTeX's own article, the narrowest that a whole page has
# A size of letters and its points a digit, for a document of 10 pt; from the second on columns stand closer.
SIZES = (("", 5.0), (r"\small", 4.6), (r"\footnotesize", 4.25), (r"\scriptsize", 4.0))
SPACES = (12.0, 6.0)  # points between two columns, LaTeX's own and closer ones
SUBSCRIPT = 0.85  # how wide a digit of a standard error is, of one in full size
MOST_ROWS = 40  # of a table on one page
MANY = 2  # rows from which a column of one value is said once


def booktabs(table: Table) -> str:
    r"""A table environment, or a longtable, for a document that has \usepackage{booktabs} (and longtable).

    A column of one value is said in the caption instead. Letters are the largest with which the table is `PAGE` wide;
    where none do, standard errors that are those of D are said in the caption, and a comment says how wide the table
    is if that is too little.

    Example:
        >>> print(booktabs(Table("a_b", "nats.", {"D": ["1.5 ± 0.1"]}, {"D": [True]}, "Bold: the least.")))
        \begin{table}
          \centering
          \caption{a\_b nats. Bold: the least.}
          \begin{tabular}{r}
            \toprule
            $D$ \\
            \midrule
            \textbf{1.5$_{\pm 0.1}$} \\
            \bottomrule
          \end{tabular}
        \end{table}
    """
    shown, constant = _parted(table.cells)
    said = f"All rows: {', '.join(f'{name} {value}' for name, value in constant.items())}." if constant else ""
    setting, comment = _setting(shown)
    alike = _of_d(shown) if comment else []
    if alike:
        shown = shown | {name: [ERROR.sub("", text) for text in shown[name]] for name in alike}
        said = " ".join(filter(None, (f"Standard errors of {', '.join(alike)}: those of D.", said)))
        setting, comment = _setting(shown)
    caption = latex(" ".join(filter(None, (table.name, table.basis, said, table.rule))))
    title, *rows = (" & ".join(line) + r" \\" for line in _lines(table._replace(cells=shown)))
    form = _long if len(rows) > MOST_ROWS else _short
    return "\n".join([*comment, *form("r" * len(shown), caption, title, rows, setting)])


def _parted(cells: Cells) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
    """The columns that differ between rows, and the one value of each of the others."""
    several = len(next(iter(cells.values()))) >= MANY
    constant = {name: column[0] for name, column in cells.items() if several and len(set(column)) == 1}
    shown = {name: column for name, column in cells.items() if name not in constant}
    return (shown, constant) if shown else (dict(cells), {})


def _of_d(cells: Cells) -> list[str]:
    """The other columns whose standard errors are those of D in every row, as of sums with what has none."""
    errors = {name: [ERROR.findall(text) for text in column] for name, column in cells.items()}
    own = errors.get("D", [])
    return [name for name, found in errors.items() if name != "D" and found == own and any(own)]


def _lines(table: Table) -> list[list[str]]:
    names = {name: head(name) for name in table.cells}
    cells = {names[name]: column for name, column in table.cells.items()}
    bold = {names[name]: marks for name, marks in table.bold.items() if name in names}
    return lines_of(table._replace(cells=cells, bold=bold), str, latex, lambda text: rf"\textbf{{{text}}}")


def _setting(cells: Cells) -> tuple[list[str], list[str]]:
    """The commands that make the table fit, and a comment where none do."""
    digits = sum(max(map(_digits, (name, *column))) for name, column in cells.items())
    for place, (size, each) in enumerate(SIZES):
        width = each * digits + SPACES[min(place, 1)] * len(cells)
        commands = [size, rf"\setlength{{\tabcolsep}}{{{SPACES[1] / 2:g}pt}}"] if place else []
        if width <= PAGE:
            return commands, []
    wide = f"% About {width:.0f} pt wide, more than a page of LaTeX's article: take table* or a wider page"
    return commands, [wide]


def _digits(text: str) -> float:
    """How many digits are as wide as a cell; a point is half of one, the sign before a standard error two."""
    small = " ".join(re.findall(r" (± [\d.]+)", text))
    large = re.sub(r" ± [\d.]+", "", text)
    return len(large) - 0.5 * large.count(".") + SUBSCRIPT * (len(small) - 0.5 * small.count("."))


def _short(columns: str, caption: str, title: str, rows: Sequence[str], setting: Sequence[str]) -> list[str]:
    begin = [r"\begin{table}", r"  \centering", rf"  \caption{{{caption}}}", *(f"  {one}" for one in setting)]
    body = [r"\toprule", title, r"\midrule", *rows, r"\bottomrule"]
    inner = [rf"  \begin{{tabular}}{{{columns}}}", *(f"    {line}" for line in body), r"  \end{tabular}"]
    return [*begin, *inner, r"\end{table}"]


def _long(columns: str, caption: str, title: str, rows: Sequence[str], setting: Sequence[str]) -> list[str]:
    """Of pages with the names of the columns on each."""
    again = [r"\toprule", title, r"\midrule"]
    begin = [rf"\begin{{longtable}}{{{columns}}}", rf"  \caption{{{caption}}} \\"]
    heads = [*again, r"\endfirsthead", *again, r"\endhead", r"\bottomrule", r"\endfoot"]
    inner = [f"  {line}" for line in (*heads, *rows)]
    return [r"\begingroup", *setting, *begin, *inner, r"\end{longtable}", r"\endgroup"]
