"""Ten epochs on MNIST at beta = 1 within three minutes and 105 nats, dynamic and static, by the command itself.

VAE_RD_DATA=... python benchmarks/mnist.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_SECONDS, MOST_NATS = 180, 105.0


def main() -> int:
    print("| data | -ELBO, test [nats] | n | seconds, all in all |\n|---|---:|---:|---:|")
    good = True
    for name in ("mnist_mlp", "static_mnist_mlp"):
        with tempfile.TemporaryDirectory() as folder:
            fit = [sys.executable, "-m", "vae_rd.fit", "--config", str(ROOT / "configs" / f"{name}.yaml")]
            began = time.monotonic()
            subprocess.run(
                [*fit, "--beta", "1", "--wandb", "off", "--run_dir", folder], check=True, stdout=subprocess.DEVNULL
            )
            seconds = time.monotonic() - began
            (record,) = (json.loads(path.read_text()) for path in Path(folder).glob("*/record.json"))
        elbo = record["metrics"]["test"]["elbo"]
        good &= -elbo["value"] < MOST_NATS and seconds < MOST_SECONDS
        print(f"| {name} | {-elbo['value']:.2f} ± {elbo['stderr']:.2f} | {elbo['n']} | {seconds:.0f} |")
    print(f"\nwanted: under {MOST_NATS:g} nats in under {MOST_SECONDS} s: {'reached' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
