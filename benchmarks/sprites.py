"""The bounds max(0, H - D) <= I <= R on a source where every term is known: sprites, seven betas.

    python benchmarks/sprites.py [--readme]

Fits `configs/sprites_mlp.yaml` at each beta (runs that exist are not fitted again), checks every link of the bounds
with its paired standard error, the order of D and R in beta and the collapse at beta = 1000, and prints the table that
stands in the README; `--readme` puts it there. Exits with 1 if a check fails.
"""

from __future__ import annotations

import sys

from known_answers.bounds import check

BETAS = (0.003, 0.03, 0.3, 1.0, 3.0, 10.0, 1000.0)

if __name__ == "__main__":
    sys.exit(check("sprites", BETAS))
