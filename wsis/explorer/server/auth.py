"""Who may enter: a check whose time tells nothing of names and passwords, and that cannot be asked fast."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterable

LINES = 64
PAUSE = 1.0
"""Seconds that a wrong guess keeps its line busy."""
MOST_WAITING = 5
"""Guesses that may wait in one line; more are refused unseen."""


class Door:
    """Checks user and password: Gradio's `auth=Door(pairs).enter`.

    Names and passwords are held as keyed digests only, and each guess is compared with all of them by
    `hmac.compare_digest`. Gradio's own check says by its time whether there is a user of that name.

    Guesses for one name stand in one line, in which a wrong one takes a second: any number of connections makes no more
    than one guess a second. Lines are shared by chance between names, whether there are such users or not, so
    nothing is kept per name and nothing can be learned from waiting. Who is inside already is not held up.

    Attributes:
        refused: how many guesses were wrong or too many since the start.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *, pause: float = PAUSE) -> None:
        """Let these users in.

        Args:
            pairs: names and passwords.
            pause: seconds that a wrong guess keeps its line busy.
        """
        self._key, self._pause, self.refused = secrets.token_bytes(32), pause, 0
        self._known = tuple(self._digest(user, password) for user, password in pairs)
        self._lines = tuple(asyncio.Lock() for _ in range(LINES))
        self._waiting = [0] * LINES

    async def enter(self, user: str, password: str) -> bool:
        """Whether this is a user with its password; False at once where too many guesses wait."""
        line = int.from_bytes(self._digest(user)[:8]) % LINES
        if self._waiting[line] >= MOST_WAITING:
            self.refused += 1
            return False
        self._waiting[line] += 1
        try:
            async with self._lines[line]:
                known = self._knows(user, password)
                if not known:
                    self.refused += 1
                    await asyncio.sleep(self._pause)
                return known
        finally:
            self._waiting[line] -= 1

    def _knows(self, user: str, password: str) -> bool:
        said, known = self._digest(user, password), False
        for one in self._known:  # all of them, whichever fits
            known |= hmac.compare_digest(said, one)
        return known

    def _digest(self, *parts: str) -> bytes:
        """32 bytes that say nothing of the parts without the process's own key."""
        made = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            encoded = part.encode(errors="surrogatepass")
            made.update(len(encoded).to_bytes(8) + encoded)
        return made.digest()
