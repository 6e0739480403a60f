"""A fully convolutional classifier: an image to one class map per class, trained on image-level labels only.

The head is a 1x1 convolution on the last feature level, so a class map is linear in the features and a photo's score is
pooled from the very map that peaks are read from (Zhou et al., 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsis import class_names
from wsis.backbone import Backbone
from wsis.maps import ClassMaps, snapped

TOP_SHARE = 0.2
SIZES = (448, 320)
"""Long sides in pixels that photos are looked at with, unless a model has its own."""
VIEWS = 2
"""A photo and its mirror image."""


class Classifier(nn.Module):
    """Backbone, dropout and a 1x1-convolution head.

    Attributes:
        classes: names of the C classes of the class maps.
        sizes: long sides in pixels that it looks at a photo with; the first sets the grid of its class maps.
        synonyms: other words for some of the classes, by name.
    """

    sizes: tuple[int, ...] = SIZES
    synonyms: class_names.Synonyms = class_names.NONE

    def __init__(
        self,
        backbone: str,
        classes: Sequence[str],
        *,
        pretrained: bool = False,
        dropout: float = 0.0,
        whole: bool = False,
        sizes: Sequence[int] = SIZES,
    ) -> None:
        """Build the network.

        Args:
            backbone: a timm model name, see `wsis.backbone.Backbone`.
            classes: names of the C classes, in the order of the class maps.
            pretrained: download the backbone's ImageNet weights.
            dropout: share of feature channels dropped in training, in [0, 1).
            whole: read from the end of the backbone, see `wsis.backbone.Backbone`.
            sizes: long sides in pixels to look at a photo with, at least one.

        Raises:
            ValueError: there is no size, or one below 1.
        """
        super().__init__()
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes: expected pixels, got {sizes!r}")
        self.sizes = tuple(sizes)
        self.backbone = Backbone(backbone, pretrained=pretrained, whole=whole)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(self.backbone.channels[-1], len(classes), 1)
        nn.init.normal_(self.head.weight, std=0.01)
        if self.head.bias is not None:
            nn.init.constant_(self.head.bias, -2.0)  # most classes are absent from most photos
        self.classes = tuple(classes)

    def forward(self, image: Tensor) -> Tensor:
        """Class maps.

        Args:
            image: (B, 3, H, W), normalised.

        Returns:
            (B, C, H / 16, W / 16) logits.
        """
        return self.head(self.dropout(self.backbone(image)[-1]))

    def class_maps(
        self, image: np.ndarray, *, sizes: Sequence[int] | None = None, flip: bool = True, chunk: int = VIEWS
    ) -> ClassMaps:
        """Class maps and scores of one photo, averaged over sizes and mirror images.

        Args:
            image: (H, W, 3) uint8 RGB.
            sizes: long sides in pixels to run the network at; the first sets the result's grid; None takes its own.
            flip: average with the mirrored photo.
            chunk: how many of a size's views, the photo and its mirror image, to look at at once.

        Returns:
            Maps on the grid of the first size, probabilities.
        """
        return ClassMaps(*self.head_maps(image, sizes or self.sizes, flip=flip, chunk=chunk), self.classes)

    @torch.inference_mode()
    def head_maps(
        self, image: np.ndarray, sizes: Sequence[int], *, flip: bool, chunk: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the head says of one photo, averaged like `class_maps`.

        Returns:
            (R, h, w) float32 logits, (R,) float32 probabilities, each row of the head by itself.
        """
        grid: tuple[int, int] | None = None
        totals, scores = [], []
        for size in sizes:
            batch = self.prepare(image, size)
            if flip:
                batch = torch.cat([batch, batch.flip(-1)])
            maps = torch.cat([self(part) for part in batch.split(chunk)])
            scores.append(torch.sigmoid(pool(maps)).mean(0))
            if flip:
                maps = torch.stack([maps[0], maps[1].flip(-1)])
            grid = grid or (maps.shape[-2], maps.shape[-1])
            maps = F.interpolate(maps.mean(0, keepdim=True), size=grid, mode="bilinear", align_corners=False)
            totals.append(maps[0])
        mean = torch.stack(totals).mean(0).float().cpu().numpy()
        return mean, torch.stack(scores).mean(0).float().cpu().numpy()

    def prepare(self, image: np.ndarray, size: int) -> Tensor:
        """Resize and standardise a photo for this network.

        Args:
            image: (H, W, 3) uint8 RGB.
            size: long side in pixels; the sides are rounded to multiples of 32 (at least 64).

        Returns:
            (1, 3, h, w) float on the network's device, channels last: on a CPU the quicker layout.
        """
        target = snapped((image.shape[0], image.shape[1]), size)
        device = self.head.weight.device
        pixels = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float()
        pixels = F.interpolate(pixels, size=target, mode="bilinear", align_corners=False, antialias=True) / 255
        return standardise(pixels, self.backbone).contiguous(memory_format=torch.channels_last)


def own_sizes(sizes: Sequence[int]) -> dict[str, list[int]]:
    """The option `sizes` of a classifier; nothing where they are the usual ones, as in files of before."""
    return {} if tuple(sizes) == SIZES else {"sizes": list(sizes)}


def standardise(pixels: Tensor, backbone: Backbone) -> Tensor:
    """RGB in [0, 1], (B, 3, H, W), to what the backbone's weights expect."""
    shape = (1, 3, 1, 1)
    return (pixels - pixels.new_tensor(backbone.mean).view(shape)) / pixels.new_tensor(backbone.std).view(shape)


def pool(maps: Tensor) -> Tensor:
    """Class maps to image logits: half the mean over all cells, half the mean over the strongest fifth.

    The plain mean alone ignores small objects, the maximum alone leaves all but one spot of an object untrained.

    Args:
        maps: (B, C, h, w) logits.

    Returns:
        (B, C) logits.
    """
    cells = maps.flatten(2)
    top = cells.topk(max(1, int(TOP_SHARE * cells.shape[-1])), dim=-1).values
    return 0.5 * cells.mean(-1) + 0.5 * top.mean(-1)
