"""The page of the gallery: each script's first line, its figure made small, and its command."""

from pathlib import Path

from PIL import Image

HERE, FIGURES, WIDTH = Path(__file__).parent, Path("figures/gallery"), 680
HEAD = """# Gallery

Each figure is one command on the runs of two sweeps, `sweeps/gallery_digits.yaml` and `sweeps/gallery_sprites.yaml`.
`make figures` fits what is not there yet, then makes all of them anew in `figures/gallery`, each with its numbers as
CSV beside it, and this page.
"""


def section(script: Path) -> str:
    """A heading, a thumbnail and the command beneath; the thumbnail is made where the figure is there."""
    said, command = script.read_text().rstrip().split("\n", 1)
    figure, small = FIGURES / f"{script.stem}.png", HERE / f"{script.stem}.png"
    if figure.is_file():
        image = Image.open(figure).convert("RGB")
        image.thumbnail((WIDTH, 10 * WIDTH))
        image.quantize(128).save(small, optimize=True)
    shown = f"![{said[2:]}]({small.name})\n\n" if small.is_file() else ""  # A report is no picture.
    return f"\n## {script.stem}\n\n{said[2:]}\n\n{shown}```bash\n{command}\n```\n"


(HERE / "README.md").write_text(HEAD + "".join(section(script) for script in sorted(HERE.glob("*.sh"))))
