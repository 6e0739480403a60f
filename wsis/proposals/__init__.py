"""Object proposals: unions of the regions of one partition, built in or read from files."""

from __future__ import annotations

from wsis.proposals.proposal_set import ProposalSet, from_masks

__all__ = ["ProposalSet", "from_masks"]
