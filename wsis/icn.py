"""The Instance-aware Cue-propagation Network: a photo and a rough map of one instance to a complete map (section 3.2).

Five encoder levels are fused twice, from the deepest to the shallowest (context-driven, CFM) and the opposite way
(detail-driven, DFM); a mapping turns both results into one logit map. The network is applied to its own output T times.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsis.backbone import LITE, Backbone
from wsis.classifier import standardise
from wsis.errors import WsisError
from wsis.maps import snapped

Join = Literal["decoder", "input"]
Hint = Literal["map", "class map", "peak", "rivals", "response"]
"""What tells the network which instance is meant: the map of the step before, the class map, a Gaussian at the peak,
Gaussians at the other peaks of its class, and the peak's response (Eq. 2)."""
HINTS: tuple[Hint, ...] = ("map", "class map", "peak")
"""Those of a network that says nothing else."""
PEAK_SIGMA = 1 / 16
"""Standard deviation of the Gaussian at a peak, as a share of the photo's long side."""
HALF = {"cuda": torch.float16}
"""Devices on which maps are grown in half precision, and in which."""
CHUNK = 16
"""Maps grown at once where memory allows."""
STRIDE = 4
"""Pixels a cell of the working maps where the hints join in the decoder."""


class ICN(nn.Module):
    """Encoder, CFM, DFM and mapping.

    Attributes:
        options: the constructor's arguments, from which a checkpoint rebuilds the network.
        encoder: five levels, see `wsis.backbone.Backbone`.
    """

    def __init__(
        self,
        backbone: str = LITE,
        *,
        join: Join = "decoder",
        fusion: bool = True,
        use_map: bool = True,
        hints: Sequence[Hint] = HINTS,
        width: int = 32,
        size: int = 256,
    ) -> None:
        """Build the network.

        Args:
            backbone: a timm model name; the paper uses `vgg16`.
            join: `input` is as published: the map is a fourth input channel, the encoder runs for every map and step.
                `decoder`: map, class map and peak enter at every fusion, the encoder runs once a photo.
            fusion: False leaves out CFM and DFM (Table 1): the mapping sees the deepest level alone.
            use_map: False leaves out every hint (Table 1): the network sees the photo alone.
            hints: what enters at every fusion, the map first (join `decoder`).
            width: channels of each fusion.
            size: long side in pixels that photos are resized to.
        """
        super().__init__()
        hints = list(hints)
        if join not in get_args(Join):
            raise WsisError(f"Unknown join '{join}'. Choose one of: {', '.join(get_args(Join))}.")
        if hints[:1] != ["map"] or len(set(hints)) < len(hints) or not set(hints) <= set(get_args(Hint)):
            raise WsisError(f"Hints are 'map' and any others of: {', '.join(get_args(Hint)[1:])}; got {hints}.")
        self.options = {"backbone": backbone, "join": join, "fusion": fusion, "use_map": use_map}
        self.options |= {"hints": hints, "width": width, "size": size}
        self.join, self.fusion, self.use_map, self.size = join, fusion, use_map, size
        self.hints = tuple(hints)
        self.encoder = Backbone(backbone)
        channels = self.encoder.channels
        if join == "input" and use_map:
            _widen(self.encoder)
        count = len(hints) if join == "decoder" and use_map else 0
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in (channels if fusion else channels[-1:]))
        if fusion:
            self.cfm = nn.ModuleList(Fuse((width, width, count), width) for _ in channels[1:])
            self.dfm = nn.ModuleList(Fuse((width, width, count), width) for _ in channels[1:])
        self.mapping = Fuse((width, width, 0) if fusion else (width, 0, count), width)
        self.logit = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.logit.get_parameter("bias"), -1.0)  # most of a photo is not the instance
        self.to(memory_format=torch.channels_last)  # on a CPU 2 to 3 times faster than the default layout

    def load_encoder(self, backbone: Backbone) -> None:
        """Take over the weights of a backbone of the same name; a fourth input channel starts at zero."""
        state = backbone.state_dict()
        for name, own in self.encoder.state_dict().items():
            if own.shape != state[name].shape:
                state[name] = F.pad(state[name], (0, 0, 0, 0, 0, 1))
        self.encoder.load_state_dict(state)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of a photo, shared by all its maps and steps (join `decoder`).

        Args:
            image: (B, 3, H, W) RGB in [0, 1].

        Returns:
            Five tensors, shallow to deep.
        """
        return self.encoder(standardise(image, self.encoder))

    def forward(self, image: Tensor, hints: Tensor, features: list[Tensor] | None = None) -> Tensor:
        """One step for M maps of each photo.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], sides a multiple of 32.
            hints: (B, M, len(self.hints), h, w) in [0, 1], on any grid.
            features: `encode(image)` if it is at hand (join `decoder`).

        Returns:
            (B, M, *grid(H, W)) logits.
        """
        photos, count = hints.shape[:2]
        flat = hints.flatten(0, 1)
        if self.join == "input":
            pixels = standardise(image, self.encoder).repeat_interleave(count, 0)
            if self.use_map:
                pixels = torch.cat([pixels, _resize(flat[:, :1], pixels.shape[-2:]) * 2 - 1], 1)
            features = self.encoder(pixels)
        elif features is None:
            features = self.encode(image)
        cue = flat if self.join == "decoder" and self.use_map else None
        grid = self.grid(*image.shape[-2:])
        if self.fusion:
            joined = self._fuse([_resize(f, _least(f, grid)) for f in features], cue, grid)
            joined = self.mapping(*joined, None)
        else:
            deepest = _resize(self.lateral[0](features[-1]), grid)
            joined = self.mapping(deepest, None, None if cue is None else _resize(cue, grid))
        logits = self.logit(joined)
        if len(logits) < photos * count:  # no hint: every map of a photo is the same
            logits = logits.repeat_interleave(count, 0)
        return logits.view(photos, count, *grid)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of this size in pixels."""
        stride = STRIDE if self.join == "decoder" else 1
        return height // stride, width // stride

    def _fuse(self, features: list[Tensor], cue: Tensor | None, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The last features of both paths on the output grid, (B M, width, *grid) each."""
        levels = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        cues = {level.shape[-2:]: None if cue is None else _resize(cue, level.shape[-2:]) for level in levels}
        context = levels[-1]
        for fuse, level in zip(self.cfm, reversed(levels[:-1]), strict=True):
            context = fuse(_resize(context, level.shape[-2:]), level, cues[level.shape[-2:]])
        detail, size = levels[0], levels[0].shape[-2:]
        for fuse, level in zip(self.dfm, levels[1:], strict=True):
            detail = fuse(_resize(level, size), detail, cues[size])
        return _resize(context, grid), _resize(detail, grid)


class Fuse(nn.Module):
    """Eq. 3: `f_o = E(C(U(f_s), f_l))`, concatenation and two convolutions; the caller brings the parts to one size.

    A convolution of a concatenation is the sum of convolutions of its parts. Computed as that sum, what belongs to the
    photo alone is computed once for all maps.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        """`channels` of each part (0 for a part that is never there), `width` of the result."""
        super().__init__()
        self.first = nn.ModuleList(
            nn.Conv2d(c, width, 3, padding=1, bias=False) if c else nn.Identity() for c in channels
        )
        # One fan-in for the whole concatenation, as if it were a single convolution.
        bound = (6 / (9 * sum(channels))) ** 0.5
        for conv in self.first:
            if isinstance(conv, nn.Conv2d):
                nn.init.uniform_(conv.weight, -bound, bound)
        self.norm: nn.Module = nn.BatchNorm2d(width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, *parts: Tensor | None) -> Tensor:
        """Parts (B or B M, channels, h, w), None where absent, to (B M or B, width, h, w)."""
        done = [conv(part) for conv, part in zip(self.first, parts, strict=True) if part is not None]
        total, *rest = sorted(done, key=len, reverse=True)
        for other in rest:
            if len(other) == len(total):
                total = total + other
            else:
                total = (total.unflatten(0, (len(other), -1)) + other[:, None]).flatten(0, 1)
        return self.second(F.relu(self.norm(total)))

    def fold(self) -> None:
        """Give the factors of `norm` to the convolution of each part, its addends to the first; see `wsis.folding`."""
        norm = self.norm
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None:
            factors = norm.weight * (norm.running_var + norm.eps).rsqrt()
            convolutions = [part for part in self.first if isinstance(part, nn.Conv2d)]
            for convolution in convolutions:
                convolution.weight = _fixed(convolution.weight * factors[:, None, None, None])
            convolutions[0].bias = _fixed(norm.bias - norm.running_mean * factors)
            self.norm = nn.Identity().eval()


class LastPhoto:
    """Features of the photo that was looked at last: its next peaks and other settings need no new ones.

    Threads may share one; at worst a photo is encoded once more.
    """

    def __init__(self) -> None:
        """Know no photo yet."""
        self._last: tuple[Callable[[], object], dict[ICN, list[Tensor]]] = (lambda: None, {})

    def encode(self, icn: ICN, photo: object, pixels: Tensor) -> list[Tensor]:
        """What `icn.encode(pixels)` is.

        Args:
            icn: the network.
            photo: what stands for the photo: the very same object is the same photo. It is not kept alive.
            pixels: as `ICN.encode` takes them.
        """
        last, features = self._last  # both at once: another thread may come with another photo
        if last() is not photo:
            features = {}
            self._last = weakref.ref(photo), features
        if icn not in features:
            features[icn] = icn.encode(pixels)
        return features[icn]


@torch.inference_mode()
def enhance(
    icn: ICN,
    image: np.ndarray,
    maps: np.ndarray,
    class_maps: np.ndarray,
    peaks: np.ndarray,
    steps: int = 3,
    *,
    classes: np.ndarray | None = None,
    responses: np.ndarray | None = None,
    rows: np.ndarray | None = None,
    encode: Callable[[Tensor], list[Tensor]] | None = None,
    chunk: int = CHUNK,
) -> np.ndarray:
    """Apply the network to its own output (Algorithm 1, line 8).

    Args:
        icn: the network, in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        maps: (K, h, w) float32 naive maps of any range.
        class_maps: (K, h', w') float32 class map of each peak, of any range.
        peaks: (K, 2) float32 relative (y, x) of each peak in [0, 1].
        steps: T, 0 or more.
        classes: (K,) int64 class of each peak; None for one class. Tells whose peaks are `rivals`.
        responses: (K, h'', w'') float32 response of each peak (Eq. 2), of any range, for a network with that hint.
        rows: indices of the peaks whose maps are grown, the others are company (`rivals`); None grows all.
        encode: in the place of the network's own `ICN.encode`, see `LastPhoto`.
        chunk: maps computed at once.

    Returns:
        (T + 1, K, *grid) float32 in [0, 1], K of `rows`, each map min-max normalised; step 0 is the naive map.
    """
    if not len(maps) == len(class_maps) == len(peaks):
        raise ValueError(f"expected one class map and peak a map, got {len(maps)}, {len(class_maps)}, {len(peaks)}")
    device = icn.logit.weight.device
    pixels = prepare(image, icn.size).to(device)
    grid = icn.grid(*pixels.shape[-2:])
    first = _on_grid(maps, grid, device)
    constant = _constant_hints(icn, class_maps, peaks, classes, responses, grid)
    if rows is not None:
        first, constant = first[rows], [hint[rows] for hint in constant]
    results = [first]
    # From step to step maps stay in float32.
    with torch.autocast(device.type, HALF.get(device.type), enabled=device.type in HALF):
        features = (encode or icn.encode)(pixels) if icn.join == "decoder" and steps and len(first) else None
        for _ in range(steps):
            hints = torch.stack([results[-1], *constant], 1)
            parts = [icn(pixels, part[None], features)[0] for part in hints.split(chunk)] if len(first) else [first]
            results.append(normalised(torch.sigmoid(torch.cat(parts).float())))
    return torch.stack(results).cpu().numpy()


def _constant_hints(
    icn: ICN,
    class_maps: np.ndarray,
    peaks: np.ndarray,
    classes: np.ndarray | None,
    responses: np.ndarray | None,
    grid: tuple[int, int],
) -> list[Tensor]:
    """The hints that no step changes, (K, *grid) each, in the network's order."""
    device = icn.logit.weight.device
    place = gaussians(torch.as_tensor(peaks, dtype=torch.float32, device=device), grid)
    found = []
    for hint in icn.hints[1:]:
        if hint == "response":
            if responses is None:
                raise ValueError("this network needs the responses of the peaks")
            found.append(_on_grid(responses, grid, device))
        elif hint == "rivals":
            groups = np.zeros(len(peaks), np.int64) if classes is None else classes
            found.append(rival_maps(place, torch.as_tensor(groups, device=device)))
        else:
            found.append(place if hint == "peak" else _on_grid(class_maps, grid, device))
    return found


def rival_maps(places: Tensor, classes: Tensor) -> Tensor:
    """For each peak the maximum of the maps of the others of its class; 0 where there is none.

    Args:
        places: (K, h, w) from `gaussians`.
        classes: (K,) class of each peak.

    Returns:
        (K, h, w) in [0, 1].
    """
    rival = (classes[:, None] == classes[None]) & ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    return torch.stack([(places * own[:, None, None]).amax(0) for own in rival]) if len(classes) else places


def prepare(image: np.ndarray, size: int) -> Tensor:
    """A photo (H, W, 3) uint8 to (1, 3, h, w) in [0, 1], long side about `size`, sides multiples of 32 from 64 on."""
    height, width = snapped((image.shape[0], image.shape[1]), size)
    shrinks = height * width < image.shape[0] * image.shape[1]
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255


def gaussians(peaks: Tensor, grid: tuple[int, int]) -> Tensor:
    """A Gaussian at each peak: (..., 2) relative (y, x) to (..., *grid) in [0, 1]."""
    sigma = PEAK_SIGMA * max(grid)
    rows = torch.arange(grid[0], device=peaks.device) + 0.5
    columns = torch.arange(grid[1], device=peaks.device) + 0.5
    y, x = peaks[..., 0, None] * grid[0], peaks[..., 1, None] * grid[1]
    vertical, horizontal = (torch.exp(-(((a - b) / sigma) ** 2) / 2) for a, b in ((rows, y), (columns, x)))
    return vertical[..., :, None] * horizontal[..., None, :]


def normalised(maps: Tensor) -> Tensor:
    """Min-max normalised over the last two axes, to [0, 1]; a constant map becomes 0."""
    low = maps.amin((-2, -1), keepdim=True)
    span = maps.amax((-2, -1), keepdim=True) - low
    return torch.where(span > 0, (maps - low) / torch.where(span > 0, span, 1), 0)


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)


def _on_grid(maps: np.ndarray, grid: tuple[int, int], device: torch.device) -> Tensor:
    """(K, h, w) to (K, *grid), min-max normalised."""
    if not len(maps):
        return torch.zeros(0, *grid, device=device)
    tensor = torch.from_numpy(np.ascontiguousarray(maps, np.float32)).to(device)
    return normalised(_resize(tensor[:, None], grid)[:, 0])


def _resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear; averaged where it shrinks."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if maps.shape[-2] > size[0] and maps.shape[-1] > size[1]:
        return F.adaptive_avg_pool2d(maps, (size[0], size[1]))
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def _least(features: Tensor, grid: tuple[int, int]) -> tuple[int, int]:
    """The smaller of a level's own grid and the output's: levels finer than the output are averaged down to it."""
    return min(features.shape[-2], grid[0]), min(features.shape[-1], grid[1])


def _widen(encoder: Backbone) -> None:
    """Give the first convolution a fourth input channel, of zero weight."""
    first = next(m for m in encoder.modules() if isinstance(m, nn.Conv2d))
    first.weight = nn.Parameter(F.pad(first.weight.detach(), (0, 0, 0, 0, 0, 1)))
    first.in_channels += 1
