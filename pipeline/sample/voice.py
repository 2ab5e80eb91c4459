"""The sample clips' sound: a hummed voice whose two formants follow the mouth."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.sample.motion import Sound

SAMPLE_RATE = 16000


def synthesise(
    sounds: list[tuple[float, Sound]], seconds: float, pitch_hertz: float, seed: Sequence[int]
) -> npt.NDArray[np.int16]:
    """The sounds as 16-bit mono samples at `SAMPLE_RATE`: harmonics shaped by formants, and noise for consonants."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    starts = [start + 0.02 for start, _ in sounds]

    def track(values: list[float]) -> npt.NDArray[np.float64]:
        kernel = np.hanning(round(0.05 * SAMPLE_RATE))
        held = np.asarray(values)[np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)]
        padded = np.pad(held, len(kernel), mode="edge")
        cut = slice(len(kernel), len(kernel) + len(times))
        return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="same")[cut])

    first, second = (track([sound.formants[i] for _, sound in sounds]) for i in (0, 1))
    voice, hiss = track([s.voice for _, s in sounds]), track([s.hiss for _, s in sounds])
    pitch = pitch_hertz * (1 + 0.06 * np.sin(2 * np.pi * 0.7 * times) - 0.08 * times / seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    signal = np.zeros_like(times)
    for harmonic in range(1, int(3200 / pitch_hertz) + 1):
        hertz = harmonic * pitch
        resonance = 1 / (1 + ((hertz - first) / 90) ** 2) + 0.5 / (1 + ((hertz - second) / 130) ** 2)
        signal += (resonance + 0.02) / harmonic**0.5 * np.sin(harmonic * phase)
    signal = 0.5 * voice * signal + 0.08 * hiss * rng.standard_normal(len(times))
    return np.asarray(np.clip(signal * 9000, -32000, 32000), dtype=np.int16)


def write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """Write 16-bit mono samples."""
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples.astype("<i2").tobytes())
