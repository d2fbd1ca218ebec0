"""The end of a training is validated, however many epochs lie between validations."""

from __future__ import annotations

from lightning.pytorch import Trainer


def validate_at_end(trainer: Trainer) -> None:
    """Have a Trainer validate after this batch, where no further one is trained on; for `on_train_batch_end`.

    The end is the last batch of the last epoch, the last optimiser step, or whatever has asked to stop by now.
    Lightning looks at both settings right after that hook; `should_stop` lets it validate within an epoch as well.

    Args:
        trainer: whose `check_val_every_n_epoch` is 1 from there on.
    """
    last_epoch = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
    if last_epoch or trainer.global_step == trainer.max_steps:
        trainer.should_stop = True
    if trainer.should_stop and trainer.check_val_every_n_epoch is not None:
        trainer.check_val_every_n_epoch = 1
