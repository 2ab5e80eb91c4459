# podman build -t flnet .                               with PyTorch as pip's own index has it: for NVIDIA GPUs (--gpus all)
# podman build -t flnet --build-arg TORCH_INDEX=URL .   for the CPU, a quarter of the size: URL is the CPU wheels' index
#                                                       that PyTorch's installation page names
# podman run --rm -v /data:/data flnet flnet build timit --corpus-root /data/TCD-TIMIT --out /data/out
# podman run --rm --gpus all --shm-size 1g -v /data:/data flnet flnet train --shards /data/out --out /data/run
# (docker likewise; training's loader processes hand batches over in shared memory). The same versions as everywhere:
# `make setup` installs those of constraints.txt.
FROM docker.io/library/debian:bookworm-slim

ARG TORCH_INDEX=

# gcc and Python's headers: torch.compile, which training on a GPU uses, builds its kernels' launchers with them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev make python3 python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 flnet
USER flnet
WORKDIR /home/flnet/flnet
COPY --chown=flnet:flnet . .
RUN if [ -n "$TORCH_INDEX" ]; then export PIP_EXTRA_INDEX_URL="$TORCH_INDEX"; fi; \
    PIP_NO_CACHE_DIR=1 make setup

ENV PATH=/home/flnet/flnet/.venv/bin:$PATH
CMD ["flnet"]
