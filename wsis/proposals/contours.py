"""Where objects end: a small learned contour network, and colour edges where no weights are at hand.

The network plays the part of the boundary detector behind MCG's proposals: class-agnostic and trained outside VOC
(`train/contours.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsis.backbone import LITE, Backbone
from wsis.classifier import standardise
from wsis.maps import snapped
from wsis.proposals.objectness import LEVELS

SIZE = 384
"""Long side in pixels that photos are looked at with, unless a model has its own."""


class ContourNet(nn.Module):
    """A frozen ImageNet backbone and a small top-down decoder to one contour logit per 2 x 2 pixels."""

    def __init__(self, backbone: str = LITE, widths: Sequence[int] = (16, 24, 32, 48, 48), size: int = SIZE) -> None:
        """Build the network with random weights.

        Args:
            backbone: a timm model name, see `wsis.backbone.Backbone`.
            widths: channels of the decoder at each of the five levels, shallow to deep.
            size: long side in pixels to look at a photo with.

        Raises:
            ValueError: the size is below 1.
        """
        super().__init__()
        if size < 1:
            raise ValueError(f"size: expected pixels, got {size}")
        self.size = size
        self.options = {"backbone": backbone, "widths": list(widths), **({} if size == SIZE else {"size": size})}
        self.backbone = Backbone(backbone).requires_grad_(False)
        self.lateral = nn.ModuleList(
            _convolution(channels, width, 1) for channels, width in zip(self.backbone.channels, widths, strict=True)
        )
        self.fuse = nn.ModuleList(_convolution(deeper + width, width, 3) for width, deeper in pairwise(widths))
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)
        if self.head.bias is not None:
            nn.init.constant_(self.head.get_parameter("bias"), -3.0)  # few pixels lie on a contour

    def train(self, mode: bool = True) -> ContourNet:
        """Training mode for the decoder only: the backbone keeps ImageNet's statistics."""
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Contour logits.

        Args:
            image: (B, 3, H, W), normalised; H and W multiples of 16.

        Returns:
            (B, 1, H / s, W / s) with s the stride of the backbone's first level (2 for EfficientNet and MobileNet).
        """
        with torch.no_grad():
            features = self.backbone(image)
        return self.decode(features)

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """The backbone's five feature maps to contour logits, see `forward`."""
        features = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        x = features[-1]
        for fuse, feature in zip(reversed(self.fuse), reversed(features[:-1]), strict=True):
            x = F.interpolate(x, size=feature.shape[-2:], mode="bilinear", align_corners=False)
            x = fuse(torch.cat([x, feature], dim=1))
        return self.head(x)


def predict(net: ContourNet, image: np.ndarray, size: int | None = None) -> np.ndarray:
    """Contour probabilities of one photo, (H, W) float32 in [0, 1]; the arguments are those of `look`."""
    return look(net, image, size)[0]


@torch.inference_mode()
def look(net: ContourNet, image: np.ndarray, size: int | None = None) -> tuple[np.ndarray, list[np.ndarray]]:
    """Contour probabilities of one photo, and the features that they were read from.

    Args:
        net: a trained network.
        image: (H, W, 3) uint8 RGB.
        size: long side in pixels to run the network at; the sides are rounded to multiples of 32; None takes its own.

    Returns:
        (H, W) float32 in [0, 1], and for each of `objectness.LEVELS` (C, h, w) float32, the backbone's features.
    """
    height, width = image.shape[:2]
    target = snapped((height, width), size or net.size)
    device = net.head.weight.device
    pixels = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float()
    pixels = F.interpolate(pixels, size=target, mode="bilinear", align_corners=False, antialias=True) / 255
    features = net.backbone(standardise(pixels, net.backbone).contiguous(memory_format=torch.channels_last))
    probability = torch.sigmoid(net.decode(features).float())
    found = F.interpolate(probability, size=(height, width), mode="bilinear", align_corners=False)[0, 0]
    return found.cpu().numpy(), [features[level][0].float().cpu().numpy() for level in LEVELS]


def colour_edges(image: np.ndarray) -> np.ndarray:
    """Contour strength from colour alone, for when no trained network is at hand.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float32 in [0, 1]: gradient of the Lab colours at two blur scales, 1 from the 98th percentile up.
    """
    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB).astype(np.float32)
    total = np.zeros(image.shape[:2], np.float32)
    for sigma in (1.0, 2.5):
        smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
        across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        total += sigma * np.sqrt(sum((g * g).sum(axis=2) for g in across))
    return np.clip(total / max(float(np.percentile(total, 98)), 1e-6), 0, 1).astype(np.float32)


def _convolution(channels: int, width: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
