"""From colours and brightness to a photograph: light, weather, lens and sensor. Changes looks only, never masks."""

from dataclasses import dataclass

import cv2
import numpy as np

from mglmm.world.texture import noise, ramp

TINTS = {"day": (1.0, 1.0, 1.0), "dusk": (0.98, 0.84, 0.74), "night": (0.58, 0.63, 0.78), "lamp": (0.88, 0.78, 0.65)}
"""Colour of the light (RGB factors)."""


@dataclass(frozen=True, slots=True)
class Sun:
    """`direction` (x, y) points towards the light; `strength` 0..1 is how hard it is."""

    direction: tuple[float, float]
    strength: float


def sun(rng: np.random.Generator, weather: str | None) -> Sun:
    """The main light: hard on sunny days, soft otherwise."""
    angle = rng.uniform(-1.1, 1.1)
    strength = 1.0 if weather == "sunny" else float(rng.uniform(0.3, 0.6))
    return Sun((float(np.sin(angle)), -float(np.cos(angle))), strength)


def photograph(
    colors: np.ndarray, shade: np.ndarray, light: str, weather: str | None, rng: np.random.Generator
) -> np.ndarray:
    """uint8[H, W, 3] RGB from `colors` (uint8[H, W, 3]) and `shade` (float32[H, W], 1 = as painted)."""
    fall, tint = _light(shade.shape[:2], light, weather is None, rng)
    bright = shade * fall
    image = cv2.multiply(colors, cv2.merge([bright * channel for channel in tint]), dtype=cv2.CV_32F)
    if weather == "foggy":
        _fog(image, rng)
    if weather == "rainy":
        image = _rain(image, rng)
    if weather == "snowy":
        _snowfall(image, rng)
    return _sensor(image, rng)


def _light(shape: tuple[int, int], light: str, indoor: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The fall-off float32[H, W] and the colour float32[3] of the light."""
    tint = np.array(TINTS["lamp" if indoor and light == "night" else light])
    tint = tint * rng.uniform(0.9, 1.1) + rng.normal(0, 0.025, 3)
    height, width = shape
    x, y = ramp(width), ramp(height)[:, None]
    slope_x, slope_y, vignette = rng.uniform(-0.12, 0.12), rng.uniform(-0.08, 0.08), rng.uniform(0.0, 0.16)
    fall = 1 + np.float32(slope_x) * x + np.float32(slope_y) * y - np.float32(vignette) * (x * x + y * y) / 2
    fall += np.float32(rng.uniform(0.0, 0.12)) * noise("smooth", shape, rng)
    return fall, tint.astype(np.float32)


def _fog(image: np.ndarray, rng: np.random.Generator) -> None:
    """Nothing; veils the upper (far) part in place."""
    height, width = image.shape[:2]
    thick = np.linspace(rng.uniform(0.4, 0.6), rng.uniform(0.05, 0.2), height, dtype=np.float32)[:, None]
    veil = np.clip(thick + 0.12 * noise("cloudy", (height, width), rng), 0, 0.75)[..., None]
    image += (np.float32(0.85) * max(float(image.mean()), 90.0) + 45 - image) * veil


def _rain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with slanted streaks, a little greyer."""
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.uint8)
    count, slant = int(rng.integers(40, 110)), rng.uniform(-0.35, 0.35)
    for x, y, length in rng.uniform((0, 0, 0.04), (width, height, 0.11), (count, 3)):
        long = length * height
        cv2.line(streaks, (int(x), int(y)), (int(x + slant * long), int(y + long)), 255, 1, cv2.LINE_AA)
    gray = image.mean(axis=2, keepdims=True)
    image = image * 0.8 + gray * 0.14
    return image + (streaks.astype(np.float32) * np.float32(rng.uniform(0.18, 0.34)))[..., None]


def _snowfall(image: np.ndarray, rng: np.random.Generator) -> None:
    """Nothing; lets white flakes fall in place."""
    height, width = image.shape[:2]
    flakes = np.zeros((height, width), np.uint8)
    unit = max(height, width) / 256 * 16
    for x, y, r in rng.uniform((0, 0, 0.5), (width, height, 1.7), (int(rng.integers(40, 130)), 3)):
        cv2.circle(flakes, (int(x * 16), int(y * 16)), int(r * unit), 255, -1, cv2.LINE_AA, 4)
    cover = cv2.GaussianBlur(flakes, (0, 0), 0.6).astype(np.float32)[..., None] / 255 * 0.85
    image += (245 - image) * cover


def _sensor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lens blur, saturation, contrast, exposure, noise: float32 to uint8[H, W, 3]."""
    height, width = image.shape[:2]
    soft = rng.uniform(0.0, 0.95) * max(height, width) / 256
    if soft > 0.35:
        image = cv2.GaussianBlur(image, (0, 0), soft)
    saturation, contrast = np.float32(rng.uniform(0.82, 1.12)), np.float32(rng.uniform(0.9, 1.12))
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * (contrast - contrast * saturation)
    gray += np.float32(118 * (1 - contrast) + rng.uniform(-8, 8))
    gray += noise("fine", (height, width), rng) * np.float32(rng.uniform(0.5, 9.0))
    image = cv2.scaleAdd(image, float(contrast * saturation), cv2.merge([gray, gray, gray]))
    image = cv2.convertScaleAbs(np.maximum(image, 0, out=image))
    if rng.random() < 0.35:
        quality = int(rng.integers(40, 90))
        packed = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return image
