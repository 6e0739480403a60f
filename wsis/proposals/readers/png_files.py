"""Label images: one proposal for each number."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wsis import index_image, index_png
from wsis.errors import WsisError
from wsis.proposals.proposal_set import ProposalSet, Size, rank_scores
from wsis.proposals.readers.checks import check_size, check_table


def read(path: Path, size: Size, _: str | int | None = None) -> ProposalSet:
    """Proposals of an index PNG, by rising number, see `wsis.proposals.readers.read`."""
    index = index_png.read(path, lambda found: check_size(path, found, size))
    values, labels = np.unique(index, return_inverse=True)
    numbered = np.flatnonzero((values != 0) & index_image.labelled(values))
    if not len(numbered):
        raise WsisError(f"{path.name} holds no index besides 0 (background) and {index_image.void_of(index)} (void).")
    check_table(path, len(numbered), len(values))
    membership = np.eye(len(values), dtype=bool)[numbered]
    labels = labels.reshape(size).astype(np.int32)
    return ProposalSet(labels, membership, rank_scores(len(numbered)), f"{path.name} (labels)")
