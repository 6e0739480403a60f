"""The built-in proposals: superpixels, five region-merging trees, and unions of neighbouring nodes.

The recipe is MCG's (Arbelaez et al., 2014): boundaries give a fine partition, hierarchies on it give regions,
neighbouring regions are grouped, and everything is ranked. All of it happens on about 400 superpixels, so there is no
loop over pixels or nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import higra as hg
import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse.linalg import LinearOperator, eigsh
from skimage.segmentation import watershed

from wsis.proposals.contours import colour_edges
from wsis.proposals.proposal_set import ProposalSet, pixel_borders, rank_scores

BASINS = 4000
"""Watershed basins that the superpixels are merged from."""
EIGENVECTORS = 10
LEAST_SHARE = 0.0004
"""Smaller proposals, as a share of the photo, are left out: about 8 x 8 pixels of a 448 x 336 work image."""
GROUPED = 140
"""Best nodes whose neighbouring pairs and triples are formed."""
REPETITION = 0.7
"""What overlap with a better proposal costs in the ranking, in contour strength per IoU."""


@dataclass(frozen=True)
class _Graph:
    """Regions, what they look like, and where they touch.

    Attributes: labels (H, W) int32; areas (R,); colour (R, 3) Lab / 100; texture (R, 6) in standard deviations;
    position (R, 2) in long sides; frame (R,) pixels on the image's edge; first, second (E,) adjacent regions;
    length (E,) pixels; contour (E,) mean strength in [0, 1].
    """

    labels: np.ndarray
    areas: np.ndarray
    colour: np.ndarray
    texture: np.ndarray
    position: np.ndarray
    frame: np.ndarray
    first: np.ndarray
    second: np.ndarray
    length: np.ndarray
    contour: np.ndarray


def generate(
    image: np.ndarray, contours: np.ndarray | None = None, *, limit: int = 3000, regions: int = 400
) -> ProposalSet:
    """Object proposals of one photo.

    Args:
        image: (H, W, 3) uint8 RGB, at the work size.
        contours: (H, W) float32 in [0, 1], for example of `contours.predict`; colour edges where there is none.
        limit: most proposals to keep.
        regions: superpixels to aim for.

    Returns:
        At most `limit` proposals, best first; always at least one.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if contours is not None and contours.shape != image.shape[:2]:
        raise ValueError(f"contours: expected {image.shape[:2]}, got {contours.shape}")
    edges = colour_edges(image)
    strength = edges if contours is None else contours + 0.1 * edges
    graph = _describe(image, superpixels(image, strength, regions), strength)
    count = len(graph.areas)
    if count < 2:
        return ProposalSet(graph.labels, np.ones((1, 1), bool), rank_scores(1), "built-in")
    nodes = _sizeable(_unique(np.concatenate([_nodes(tree, count) for tree in _trees(graph)])), graph)
    nodes = _ranked(nodes, graph)[:limit]
    if len(nodes) < limit:
        nodes = _unique(np.concatenate([nodes, _grouped(nodes[:GROUPED], graph, limit - len(nodes))]))[:limit]
    if not len(nodes):
        nodes = np.ones((1, count), bool)
    return ProposalSet(graph.labels, nodes, rank_scores(len(nodes)), "built-in")


def superpixels(image: np.ndarray, strength: np.ndarray, count: int) -> np.ndarray:
    """A partition that follows contours: watershed basins, merged by contour, colour and size.

    Args:
        image: (H, W, 3) uint8 RGB.
        strength: (H, W) float32 contour strength.
        count: regions to aim for.

    Returns:
        (H, W) int32 labels 0..R-1, R <= about `count`.
    """
    height, width = strength.shape
    cell = max(2, round(np.sqrt(height * width / max(BASINS, 2 * count))))
    smooth = cv2.GaussianBlur(strength, (0, 0), 1.0)
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.pad(smooth, ((0, rows * cell - height), (0, columns * cell - width)), constant_values=np.inf)
    lowest = padded.reshape(rows, cell, columns, cell).transpose(0, 2, 1, 3).reshape(rows, columns, -1).argmin(axis=2)
    markers = np.zeros((height, width), np.int32)
    y = np.arange(rows)[:, None] * cell + lowest // cell
    x = np.arange(columns)[None] * cell + lowest % cell
    markers[y, x] = np.arange(1, rows * columns + 1).reshape(rows, columns)
    labels = watershed(strength, markers).astype(np.int32) - 1
    graph = _describe(image, labels, strength)
    if len(graph.areas) <= count:
        return labels
    difference = graph.contour + 0.5 * _apart(graph.colour, graph)
    smaller = np.minimum(graph.areas[graph.first], graph.areas[graph.second])
    tree, altitudes = hg.binary_partition_tree_average_linkage(
        _undirected(graph), difference * np.sqrt(smaller), graph.length
    )
    merged = hg.labelisation_horizontal_cut_from_num_regions(tree, altitudes, count)
    return np.unique(merged, return_inverse=True)[1].astype(np.int32)[labels]


def _describe(image: np.ndarray, labels: np.ndarray, strength: np.ndarray) -> _Graph:
    count, flat = int(labels.max()) + 1, labels.ravel()
    areas = np.bincount(flat, minlength=count).astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(flat, weights=values.ravel(), minlength=count) / areas

    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB).astype(np.float32) / 100
    colour = np.stack([mean(lab[..., k]) for k in range(3)], axis=1)
    gradients = []
    for sigma in (1.0, 2.5):
        smooth = cv2.GaussianBlur(lab, (0, 0), sigma)
        across = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0))
        down = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        chroma = (across[..., 1:] + down[..., 1:]).sum(axis=2)
        gradients += [mean(across[..., 0]), mean(down[..., 0]), mean(chroma)]
    texture = np.stack(gradients, axis=1)
    height, width = labels.shape
    rows, columns = np.broadcast_arrays(np.arange(height)[:, None], np.arange(width)[None])
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    pairs, pair, near, far = pixel_borders(labels, count)
    length = np.bincount(pair, minlength=len(pairs)).astype(np.float64)
    along = np.maximum(strength.ravel()[near], strength.ravel()[far])
    return _Graph(
        labels=labels,
        areas=areas,
        colour=colour,
        texture=texture / (texture.std(axis=0) + 1e-6),
        position=np.stack([mean(rows), mean(columns)], axis=1) / max(height, width),
        frame=np.bincount(frame, minlength=count),
        first=pairs[:, 0].astype(np.int64),
        second=pairs[:, 1].astype(np.int64),
        length=length,
        contour=np.bincount(pair, weights=along, minlength=len(pairs)) / np.maximum(length, 1),
    )


def _trees(graph: _Graph) -> list[hg.Tree]:
    """Five ways to merge the regions two by two."""
    linked = _undirected(graph)
    colour, texture = _apart(graph.colour, graph), _apart(graph.texture, graph)
    smaller = np.minimum(graph.areas[graph.first], graph.areas[graph.second])
    spectrum = _spectrum(graph)
    looks = np.concatenate([graph.colour / (graph.colour.std() + 1e-6), 0.05 * graph.texture, graph.position], axis=1)
    edge = graph.contour + 0.1 * colour
    cues = graph.contour + 0.5 * colour + 0.05 * texture
    balanced = (graph.contour + 0.3 * colour) * smaller**0.25
    return [
        hg.binary_partition_tree_ward_linkage(linked, spectrum, graph.areas)[0],
        hg.binary_partition_tree_ward_linkage(linked, np.concatenate([spectrum, looks], axis=1), graph.areas)[0],
        hg.binary_partition_tree_average_linkage(linked, cues, graph.length)[0],
        hg.binary_partition_tree_average_linkage(linked, balanced, graph.length)[0],
        hg.bpt_canonical(linked, edge)[0],
    ]


def _spectrum(graph: _Graph) -> np.ndarray:
    """(R, k) coordinates in which regions lie close when no contour parts them, near or far (Arbelaez et al., 2011).

    Eigenvectors of the normalised Laplacian of the region graph, each over the root of its eigenvalue, scaled to unit
    deviation.
    """
    count = len(graph.areas)
    root = np.sqrt(np.sqrt(graph.areas[graph.first] * graph.areas[graph.second]))
    link = np.exp(-8 * graph.contour) * graph.length / root
    affinity = np.zeros((count, count))
    affinity[graph.first, graph.second] = affinity[graph.second, graph.first] = link
    scale = 1 / np.sqrt(affinity.sum(axis=1) + 1e-6)
    laplacian = np.eye(count) - affinity * scale[:, None] * scale
    wanted = min(EIGENVECTORS + 1, count - 1)
    # Lanczos on the inverse finds the smallest eigenvalues in a few steps; a full decomposition takes ten times longer.
    factors = lu_factor(laplacian + 1e-3 * np.eye(count), check_finite=False)
    inverse = LinearOperator((count, count), matvec=lambda v: lu_solve(factors, v, check_finite=False), dtype=float)
    start = np.random.default_rng(0).normal(size=count)
    values, vectors = eigsh(inverse, wanted, which="LA", v0=start, tol=1e-4)
    order = np.argsort(-values)[1:]  # the first one is constant
    spectrum = vectors[:, order] * scale[:, None] / np.sqrt(np.maximum(1 / values[order] - 1e-3, 1e-4))
    return np.ascontiguousarray(spectrum / (spectrum.std() + 1e-9))


def _nodes(tree: hg.Tree, count: int) -> np.ndarray:
    """Every node of a tree as the regions below it, (2R - 1, R) bool."""
    return hg.accumulate_sequential(tree, np.eye(count, dtype=np.float32), hg.Accumulators.sum) > 0.5


def _grouped(nodes: np.ndarray, graph: _Graph, room: int) -> np.ndarray:
    """Unions of two and three disjoint neighbours among the given nodes, weakest shared contour first."""
    pairs = _neighbours(nodes, nodes, graph)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    twos = nodes[pairs[:room, 0]] | nodes[pairs[:room, 1]]
    triples = _neighbours(twos[: 2 * GROUPED], nodes, graph)[: room // 2]
    return np.concatenate([twos[: room - len(triples)], twos[triples[:, 0]] | nodes[triples[:, 1]]])


def _neighbours(first: np.ndarray, second: np.ndarray, graph: _Graph) -> np.ndarray:
    """Index pairs (P, 2) of disjoint touching nodes, from the weakest contour between them to the strongest."""
    one, two = first.astype(np.float32), second.astype(np.float32)
    count = len(graph.areas)
    length, contour = np.zeros((2, count, count), np.float32)
    length[graph.first, graph.second] = length[graph.second, graph.first] = graph.length
    contour[graph.first, graph.second] = contour[graph.second, graph.first] = graph.length * graph.contour
    shared = one @ length @ two.T
    between = one @ contour @ two.T / np.maximum(shared, 1)
    i, j = np.nonzero((one @ two.T < 0.5) & (shared > 0.5))
    return np.stack([i, j], axis=1)[np.argsort(between[i, j], kind="stable")]


def _ranked(nodes: np.ndarray, graph: _Graph) -> np.ndarray:
    """Nodes (N, R) by the mean contour around them, less what a better one already shows.

    The mean contour alone puts a hundred versions of one object first; without the penalty four times as many proposals
    are needed for the same recall. One pass suffices: the penalty is the largest IoU with any node of stronger contour.
    """
    around = (nodes[:, graph.first] != nodes[:, graph.second]).astype(np.float32)
    length, contour = graph.length.astype(np.float32), (graph.length * graph.contour).astype(np.float32)
    border = around @ contour / np.maximum(around @ length, 1)
    order = np.argsort(-border, kind="stable")
    nodes, border = nodes[order], border[order]
    weighted = nodes * np.sqrt(graph.areas).astype(np.float32)
    areas = (weighted * weighted).sum(axis=1)
    common = weighted @ weighted.T
    overlap = common / (areas[:, None] + areas - common)
    return nodes[np.argsort(REPETITION * np.tril(overlap, -1).max(axis=1, initial=0) - border, kind="stable")]


def _sizeable(nodes: np.ndarray, graph: _Graph) -> np.ndarray:
    return nodes[nodes @ graph.areas >= LEAST_SHARE * graph.labels.size]


def _unique(nodes: np.ndarray) -> np.ndarray:
    """Nodes without repetition, in their order."""
    packed = np.packbits(nodes, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    return nodes[np.sort(np.unique(keys, return_index=True)[1])]


def _undirected(graph: _Graph) -> hg.UndirectedGraph:
    linked = hg.UndirectedGraph(len(graph.areas))
    linked.add_edges(graph.first, graph.second)
    return linked


def _apart(features: np.ndarray, graph: _Graph) -> np.ndarray:
    """(E,) distance between the features (R, F) of adjacent regions."""
    return np.linalg.norm(features[graph.first] - features[graph.second], axis=1)
