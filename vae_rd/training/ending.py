"""The end of a training is validated, however many epochs lie between validations."""

from __future__ import annotations

from lightning.pytorch import Trainer


def validate_at_end(trainer: Trainer) -> None:
    """Have a Trainer validate after this batch, where no further one is trained on; for `on_train_batch_end`.

    The end is the last batch of the last epoch, the last optimiser step, or where somebody has asked to stop and
    `min_epochs` and `min_steps` allow it. Lightning looks at both settings right after that hook; `should_stop` lets it
    validate within an epoch as well, where these two allow it.

    Args:
        trainer: whose `check_val_every_n_epoch` is 1 from there on.
    """
    epochs = trainer.current_epoch + int(trainer.is_last_batch)
    is_last = trainer.global_step == trainer.max_steps or (trainer.is_last_batch and epochs == trainer.max_epochs)
    may_end = epochs >= (trainer.min_epochs or 0) and trainer.global_step >= (trainer.min_steps or 0)
    trainer.should_stop |= is_last
    if trainer.check_val_every_n_epoch is not None and (is_last or (trainer.should_stop and may_end)):
        trainer.check_val_every_n_epoch = 1
