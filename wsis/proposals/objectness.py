"""How likely a proposal is one whole object: a learned score (Alexe et al., 2012; as a mask's IoU, Huang et al., 2019).

Eq. 5 asks which proposal fits a map. It cannot tell one sheep from the flock, nor half a sofa from a sofa, for the map
covers all of them. This network answers that from the photo: class-agnostic, trained on masks outside VOC
(`train/objectness.py`). Everything it looks at is a sum over regions, so 3,000 proposals cost little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from wsis.proposals.proposal_set import ProposalSet

SHAPE_FIGURES = 13
LEVELS = (2, 4)
"""Which of a backbone's five levels are looked at: stride 8 and the deepest."""


class ObjectnessNet(nn.Module):
    """Mean features inside a proposal, around it and over the photo, and figures of its shape, to one logit."""

    def __init__(
        self, channels: Sequence[int] = (48, 1248), widths: Sequence[int] = (24, 96), hidden: int = 192
    ) -> None:
        """Build the network with random weights.

        Args:
            channels: of the feature maps, see `LEVELS`.
            widths: to which each is projected first; a projection and a mean may change places, so this is done once
                a region instead of once a proposal.
            hidden: width of the two hidden layers.
        """
        super().__init__()
        self.options = {"channels": list(channels), "widths": list(widths), "hidden": hidden}
        self.project = nn.ModuleList(nn.Linear(c, w) for c, w in zip(channels, widths, strict=True))
        self.drop = nn.Dropout(0.2)
        self.score = nn.Sequential(
            nn.Linear(3 * sum(widths) + SHAPE_FIGURES, hidden),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(hidden, 1),
        )

    def forward(
        self, features: Sequence[Tensor], areas: Tensor, members: Tensor, touching: Tensor, shape: Tensor
    ) -> Tensor:
        """Logit of the IoU with the object that a proposal shows.

        Args:
            features: (R, channels[i]) mean features of each region.
            areas: (R,) pixels of each region.
            members: (N, R) 0 or 1, the regions of each proposal.
            touching: (R, R) 0 or 1, which regions share a border.
            shape: (N, 13), see `shape_figures`.

        Returns:
            (N,) logits.
        """
        own = torch.cat([self.drop(layer(f)) for layer, f in zip(self.project, features, strict=True)], 1)
        inside = _mean(members * areas, own)
        around = _mean((members @ touching > 0) * (1 - members) * areas, own)
        whole = _mean(areas[None], own).expand_as(inside)
        return self.score(torch.cat([inside, around - inside, whole, shape], 1))[:, 0]


@torch.inference_mode()
def predict(
    net: ObjectnessNet,
    features: Sequence[np.ndarray],
    proposals: ProposalSet,
    contours: np.ndarray,
    *,
    chunk: int | None = None,
) -> np.ndarray:
    """Expected IoU of every proposal with the object that it shows.

    Args:
        net: a trained network, in evaluation mode.
        features: (C_i, h_i, w_i) float32 maps of the photo, one for each of `net`'s channels.
        proposals: N proposals.
        contours: (H, W) float32 in [0, 1], on the proposals' grid.
        chunk: how many proposals to score at once; None for all.

    Returns:
        (N,) float32 in [0, 1].
    """
    device = next(net.parameters()).device
    means, *arrays = inputs(features, proposals, contours)
    regions = [torch.from_numpy(mean).to(device) for mean in means]
    areas, members, touching, shape = (torch.from_numpy(array).to(device) for array in arrays)
    some = chunk or max(1, len(members))
    parts = zip(members.split(some), shape.split(some), strict=True)
    logits = torch.cat([net(regions, areas, own, touching, figures) for own, figures in parts])
    return torch.sigmoid(logits.float()).cpu().numpy()


def inputs(
    features: Sequence[np.ndarray], proposals: ProposalSet, contours: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `ObjectnessNet.forward` takes, as float32 arrays; the arguments are those of `predict`."""
    regions = proposals.membership.shape[1]
    touching = np.zeros((regions, regions), np.float32)
    first, second = proposals.borders[0].T
    touching[first, second] = touching[second, first] = 1
    means = [region_means(f, proposals.labels, regions) for f in features]
    areas = proposals.region_areas.astype(np.float32)
    return means, areas, proposals.membership_f32, touching, shape_figures(proposals, contours)


def region_means(features: np.ndarray, labels: np.ndarray, regions: int) -> np.ndarray:
    """Mean of coarse features, read bilinearly at every pixel, over each region.

    Args:
        features: (C, h, w) float32.
        labels: (H, W) int32 in 0..regions-1.
        regions: R.

    Returns:
        (R, C) float32; 0 for a region without pixels.
    """
    # Bilinear reading and averaging are both linear: together one sparse (R, h w) matrix, whatever the channels.
    (top, down), (left, right) = (_bilinear(n, m) for n, m in zip(labels.shape, features.shape[1:], strict=True))
    rows, cells, weights = [], [], []
    for y, vertical in (top, down):
        for x, horizontal in (left, right):
            rows.append(labels.ravel())
            cells.append((y[:, None] * features.shape[2] + x).ravel())
            weights.append((vertical[:, None] * horizontal).ravel())
    shape = (regions, features.shape[1] * features.shape[2])
    reading = csr_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(cells))), shape=shape)
    areas = np.bincount(labels.ravel(), minlength=regions)
    return (reading @ features.reshape(len(features), -1).T / np.maximum(areas, 1)[:, None]).astype(np.float32)


def shape_figures(proposals: ProposalSet, contours: np.ndarray) -> np.ndarray:
    """What a proposal looks like without its content.

    Args:
        proposals: N proposals.
        contours: (H, W) float32 in [0, 1].

    Returns:
        (N, 13) float32, all of the order of 1: log area, its root, roundness, mean contour along the border, share of
        the border on the photo's edge, mean contour across inner borders and over all pixels, box height, width, their
        log ratio, share of the box that is filled, and the box's centre (y, x). Lengths are relative to the photo's.
    """
    height, width = proposals.size
    members, areas = proposals.membership_f32, np.maximum(proposals.areas, 1).astype(np.float32)
    outer, inner = _border_sums(proposals, contours)
    labels = proposals.labels
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    on_edge = members @ np.bincount(frame, minlength=members.shape[1]).astype(np.float32)
    inside = members @ proposals.sums(contours[None])[0] / areas
    top, left, bottom, right = _boxes(proposals)
    tall, wide = (bottom - top) / height, (right - left) / width
    share = areas / (height * width)
    figures = [
        np.log(share + 1e-6) / 3,
        np.sqrt(share),
        outer[0] / np.sqrt(areas + 1) / 8,
        outer[1] / np.maximum(outer[0], 1),
        on_edge / np.maximum(outer[0] + on_edge, 1),
        inner[1] / np.maximum(inner[0], 1),
        inside,
        tall,
        wide,
        np.log((tall + 1e-3) / (wide + 1e-3)),
        areas / np.maximum((bottom - top) * (right - left), 1),
        (top + bottom) / (2 * height),
        (left + right) / (2 * width),
    ]
    return np.stack(figures, 1).astype(np.float32)


def _border_sums(proposals: ProposalSet, contours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, N) length of, and sum of contours along, a proposal's outline; the same across the borders inside it."""
    pairs, lengths = proposals.borders
    figures = np.stack([lengths, proposals.border_sums(contours)])
    outer = figures @ proposals.crossing.T
    regions = proposals.membership.shape[1]
    around = np.stack([np.bincount(pairs.T.ravel(), np.tile(f, 2), minlength=regions) for f in figures])
    # Borders of all members count an inner border twice and an outer one once.
    return outer, (around.astype(np.float32) @ proposals.membership_f32.T - outer) / 2


def _boxes(proposals: ProposalSet) -> list[np.ndarray]:
    """Top, left, bottom and right in pixels, (N,) float32 each, the latter two exclusive."""
    height, width = proposals.size
    sides = []
    for axis, length in ((0, height), (1, width)):
        places = np.broadcast_to(np.expand_dims(np.arange(length), 1 - axis), proposals.size).ravel()
        low = np.full(proposals.membership.shape[1], length, np.int64)
        high = np.zeros_like(low)
        np.minimum.at(low, proposals.labels.ravel(), places)
        np.maximum.at(high, proposals.labels.ravel(), places + 1)
        sides.append((low, high))
    (top, bottom), (left, right) = sides
    members = proposals.membership
    lows = (np.where(members, low, np.iinfo(np.int32).max).min(1) for low in (top, left))
    highs = (np.where(members, high, 0).max(1) for high in (bottom, right))
    return [side.astype(np.float32) for side in (*lows, *highs)]


def _bilinear(pixels: int, cells: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """For each of so many pixels the two nearest of so many cells along the same length, and their weights."""
    place = np.clip((np.arange(pixels) + 0.5) / pixels * cells - 0.5, 0, cells - 1)
    before = np.floor(place).astype(np.int64)
    share = (place - before).astype(np.float32)
    return (before, 1 - share), (np.minimum(before + 1, cells - 1), share)


def _mean(weights: Tensor, values: Tensor) -> Tensor:
    """(N, R) weights and (R, C) values to (N, C) means."""
    return (weights @ values) / weights.sum(1, keepdim=True).clamp(min=1)
