"""What a loss means as beta, on the command line and from Python."""

from vae_rd import beta
from vae_rd.units import beta_of

from walk.steps import Call, Step, step


def translated(words: str) -> Call:
    return lambda: beta.main(words.split())


STEPS: list[Step] = [
    step("bce is a likelihood by itself; leave it out", translated("bce --scale 1"), translated("bce")),
    step("give one above 0", translated("mse --scale 0"), translated("mse --scale 0.1")),
    step("give the lowest value of x, then the highest", translated("mse --range 1 0"), translated("mse --range 0 1")),
    step("give 0 or more, and more than 0", translated("mse --weight nan"), translated("mse --weight 4")),
    step("choose one of mse, l1, bce, nll", lambda: beta_of("huber"), lambda: beta_of("l1")),  # type: ignore[arg-type]
    step(
        "give shape, such as 28 x 28",
        translated("mse --over_pixels mean"),
        translated("mse --over_pixels mean --shape 28x28"),
        lambda: beta_of("mse", over_pixels="mean", shape=(28, 28)),
    ),
    step("give latent_dim", translated("bce --over_units mean"), translated("bce --over_units mean --latent_dim 16")),
]
