"""The page of the gallery: each script's first line, its figure made small, what that says, and its command."""

from pathlib import Path

from PIL import Image

HERE, FIGURES, WIDTH = Path(__file__).parent, Path("figures/gallery"), 680
HEAD = """# Gallery

Each figure is one command on the runs of three sweeps, `sweeps/gallery_digits.yaml`, `sweeps/gallery_sprites.yaml` and
`sweeps/gallery_ways.yaml`, whose runs follow each other along beta.
`make figures` fits what is not there yet, then makes all of them anew in `figures/gallery`, each with its numbers as
CSV beside it, and this page. Beneath each picture stands what it says to one who reads it before its caption.
"""


def section(script: Path) -> str:
    """A heading, a thumbnail, its reading and its command; the thumbnail is made where the figure is there."""
    lines = script.read_text().splitlines()
    said, *reading = (line[2:] for line in lines if line.startswith("# "))
    command = "\n".join(line for line in lines if not line.startswith("# "))
    figure, small = FIGURES / f"{script.stem}.png", HERE / f"{script.stem}.png"
    if figure.is_file():
        image = Image.open(figure).convert("RGB")
        image.thumbnail((WIDTH, 10 * WIDTH))
        image.quantize(128).save(small, optimize=True)
    shown = f"![{said}]({small.name})\n\n" if small.is_file() else ""  # A report is no picture.
    read = "\n".join([*reading, "\n"]) if reading else ""
    return f"\n## {script.stem}\n\n{said}\n\n{shown}{read}```bash\n{command}\n```\n"


(HERE / "README.md").write_text(HEAD + "".join(section(script) for script in sorted(HERE.glob("*.sh"))))
