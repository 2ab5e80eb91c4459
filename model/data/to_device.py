"""From a batch as stored to what the network takes, on the device: normalising, resizing, offset fields, K."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import Size
from model.data.augment import apply_variation
from model.data.batch import Batch, PreparedBatch
from model.network.losses import landmark_weights
from model.network.offsets import offset_field
from model.network.question import Question
from model.pixels import from_levels


def prepare_batch(batch: Batch, device: torch.device, size: Size) -> PreparedBatch:
    """Copy the batch's bytes to `device` and make everything dense there.

    At another `size` than the stored one frames, K and landmarks are brought to it together.
    """
    group = batch.group
    moved: list[Any] = [v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for v in batch]
    batch = Batch(*moved)
    stored = Size(*batch.targets.shape[1:3])
    target_landmarks = resize_landmarks(batch.target_landmarks, stored, size)
    bank_landmarks = resize_landmarks(batch.bank_landmarks, stored, size)[batch.group]
    prepared = PreparedBatch(
        bank=resize_images(to_network_range(batch.banks), size)[batch.group],
        field=offset_field(target_landmarks, bank_landmarks, *size),
        target=resize_images(to_network_range(batch.targets), size),
        weight_map=resize_area(landmark_weights(batch.k_codes, batch.k_levels), size),
        target_landmarks=target_landmarks,
        bank_landmarks=bank_landmarks,
        group=group,
    )
    return apply_variation(prepared, batch.variation[batch.group])


def question_of(batch: PreparedBatch, sees_target: bool, names: tuple[str, ...] = ()) -> Question:
    """The batch as a question to a network. Here alone it is decided that a network is shown the target images."""
    driving = batch.target if sees_target else None
    return Question(batch.bank, batch.bank_landmarks, batch.target_landmarks, driving, names)


def resize_landmarks(landmarks: Tensor, stored: Size, size: Size) -> Tensor:
    """Landmarks in pixels of the resized image. Centres of pixels are whole numbers: x' = (x + 0.5) s - 0.5."""
    if stored == size:
        return landmarks
    x, y = (landmarks + 0.5).unbind(-1)
    return torch.stack((x * (size.width / stored.width), y * (size.height / stored.height)), -1) - 0.5


def resize_images(images: Tensor, size: Size) -> Tensor:
    """Images (..., 3, H, W) in [-1, 1] to (..., 3, *size): reduced by areas, enlarged smoothly, each side by itself."""
    height, width = images.shape[-2:]
    reduced = resize_area(images, Size(min(height, size.height), min(width, size.width)))
    if Size(*reduced.shape[-2:]) == size:
        return reduced
    enlarged = F.interpolate(reduced.flatten(0, -4), size, mode="bicubic", align_corners=False)
    return enlarged.clamp(-1, 1).view(*images.shape[:-2], *size)


def resize_area(images: Tensor, size: Size) -> Tensor:
    """Images (..., H, W) to (..., *size), every new pixel the mean of exactly the area it covers.

    Exact for ratios that are not whole, where pooling windows would shift by part of a pixel against the
    landmarks.
    """
    if Size(*images.shape[-2:]) == size:
        return images
    rows = _area_matrix(images.shape[-2], size.height, images.device)
    columns = _area_matrix(images.shape[-1], size.width, images.device)
    return rows @ (images @ columns.T)


@lru_cache(maxsize=8)
def _area_matrix(stored: int, size: int, device: torch.device) -> Tensor:
    """(size, stored) float32: the share of every stored pixel in every new one; rows sum to 1."""
    scale = stored / size
    edges = torch.arange(size, dtype=torch.float64)[:, None] * scale
    pixels = torch.arange(stored, dtype=torch.float64)[None, :]
    overlap = torch.minimum(edges + scale, pixels + 1) - torch.maximum(edges, pixels)
    return (overlap.clamp(min=0) / scale).float().to(device)  # once: a copy to a GPU waits for all it has to do


def to_network_range(frames: Tensor) -> Tensor:
    """uint8 (..., H, W, 3) in 0 to 255 to float32 (..., 3, H, W) in [-1, 1]."""
    return from_levels(frames.movedim(-1, -3))
