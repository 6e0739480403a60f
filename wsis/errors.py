"""Errors that a user can act on."""

from __future__ import annotations


class WsisError(Exception):
    """Something the user can mend; the message is one sentence that says what was found and what to do."""
