"""Runs that follow each other along beta, down and up."""

from helpers.fake_records import Point, sprites_card, write_run

# D and R of the test split by way and beta; at beta 4 the first way has collapsed.
DOWN = {10.0: (30.0, 0.0), 4.0: (30.0, 0.0), 1.0: (10.0, 9.0)}
UP = {4.0: (14.0, 3.0), 10.0: (29.0, 0.2)}
SPREAD = (0.0, 1.0)  # Added to D of the way up, by seed.


def chain(root, seed: int) -> None:
    before, slope = None, None
    for way, points in (("down", DOWN), ("up", UP)):
        for beta, (distortion, rate) in points.items():
            point = Point(distortion + SPREAD[seed] * (way == "up"), rate, rate)
            name = f"{way}{beta:g}-seed{seed}"
            start = None if before is None else {"run": before, "slope": slope, "direction": way}
            write_run(
                root,
                card=sprites_card(),
                beta=beta,
                seed=seed,
                points=dict.fromkeys(("train", "val", "test"), point),
                settings={"start_from": before and f"runs/{before}", "max_epochs": 40 if before is None else 10},
                model={"start": start},
                name=name,
            )
            before, slope = name, beta
