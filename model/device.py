"""Which device a command computes on."""

from __future__ import annotations

import torch

from pipeline.errors import InputError


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The torch device for "auto", "cpu" or "cuda"; each process on a machine gets a GPU of its own.

    Raises:
        InputError: "cuda" where there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: this torch sees no GPU; use --device cpu or auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device
