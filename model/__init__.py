"""FLNet: its data, networks, losses, training, measures and animation."""

import os

# OpenMP's threads spin while they wait for each other; on a machine that has other work to do as well, that makes small
# networks many times slower. Read when torch is loaded, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pipeline.interrupts  # noqa: F401 - before torch: it watches for Ctrl-C while the rest is loaded
