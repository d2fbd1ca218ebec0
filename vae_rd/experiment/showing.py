"""What `python -m vae_rd.evaluate RUN... --media` does: the pictures and latents.npz of finished runs, made anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from vae_rd.errors import InputError
from vae_rd.experiment.loading import open_run, precision_of
from vae_rd.explore.media.files import write_latents, write_pictures
from vae_rd.explore.media.latents import latents
from vae_rd.explore.media.pictures import pictures, shown_examples
from vae_rd.run.files import LATENTS_FILE
from vae_rd.run.lock import locked
from vae_rd.run.record import RunRecord


def show_runs(folders: Sequence[Path], *, data_file: str | None) -> Iterator[str]:
    """Write the media of each run's kept checkpoint, as its fit does; lines of what was written.

    Args:
        folders: of finished runs.
        data_file: where the runs' own data are now.

    Raises:
        InputError: where a run cannot be opened, or nothing can be written there.
    """
    for folder in folders:
        with ExitStack() as held:
            held.enter_context(locked(folder))
            try:
                written = show_run(folder, data_file=data_file)
            except OSError as error:
                raise InputError(f"{folder}: no media can be written there ({error.strerror}); make room") from None
        yield f"{folder}: {', '.join(written)}"


def show_run(folder: Path, *, data_file: str | None = None) -> list[str]:
    """The same of one run; what was written, by its place in the folder."""
    run = open_run(folder, data_file=data_file)
    epoch, paths = RunRecord.read(folder).model.get("kept_epoch"), {}
    with precision_of(run.config):
        if (shown := shown_examples(run.data)) is not None:
            found = pictures(run.model, shown)
            paths = write_pictures(folder, found, shown, epoch=0 if epoch is None else epoch)
        if run.model.has_encoder:
            write_latents(folder, latents(run.vae, run.data))
    written = [path.relative_to(folder).as_posix() for path in paths.values()]
    return [*written, *([LATENTS_FILE] if run.model.has_encoder else [])]
