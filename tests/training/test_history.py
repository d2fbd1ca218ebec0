"""history.csv grows by a line an epoch, and has at any time the lines that writing it anew would give."""

from types import SimpleNamespace

from vae_rd.run.files import HISTORY_FILE, csv_text
from vae_rd.training.base import Member, TrainedModule
from vae_rd.training.history import HistoryWriter, history_columns


class OneMember(TrainedModule):
    def __init__(self, member: Member) -> None:
        super().__init__(None)
        self.member = member

    @property
    def members(self):
        return (self.member,)


def test_a_column_that_comes_late_is_in_every_line_and_one_that_stays_away_is_empty(tmp_path):
    member = Member(SimpleNamespace(latent_dim=2), None)
    module, writer = OneMember(member), HistoryWriter(tmp_path)
    rows = [{"lr": 0.1}, {"lr": 0.3, "extra": 1 / 3}, {"extra": 2.0}, {"other": 1, "lr": float("nan")}]
    for epoch, member.epoch_values in enumerate(rows):
        trainer = SimpleNamespace(current_epoch=epoch, global_step=4 * epoch, is_global_zero=True, logger=None)
        writer.on_train_epoch_end(trainer, module)
        seen = [{"epoch": i, "step": 4 * i, **row} for i, row in enumerate(rows[: epoch + 1])]
        known = [{name: value for name, value in row.items() if value == value} for row in seen]
        columns = dict.fromkeys([*history_columns(2), *(name for row in known for name in row)])
        assert (tmp_path / HISTORY_FILE).read_text() == csv_text(list(columns), known)
