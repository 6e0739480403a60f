"""Labels files: `wsis.adapter.read_labels`."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from tests.fuzz import mutate
from tests.fuzz.doors.door import UNKNOWN, Case, Door
from wsis.adapter import Labels, read_labels

NAMES = ("cat", "dog", "pied flycatcher", "Köter", "犬", "a/b", "x: y", "100")


class LabelsFile(Door):
    """A text file to class names, or a sentence."""

    name = "labels file"
    checked = (
        "a file of known names with other line ends, blank lines, comments or a byte order mark must give these names; "
        "of any other that is read, the names must be its lines, each once, and the colours finite, no deviation 0"
    )
    count = 1500

    def case(self, rng: random.Random) -> Case:
        """A file, changed."""
        names = rng.sample(NAMES, rng.randrange(1, len(NAMES)))
        mean = round(rng.random(), 3), round(rng.random(), 3), round(rng.random(), 3)
        header = ["# scoring: sigmoid", f"# mean: {' '.join(map(str, mean))}", "# std: 0.5, 0.5, 0.5", "# made by hand"]
        if rng.random() < 0.2:
            end = rng.choice(("\n", "\r\n"))
            content = end.join([*header, "", *(f" {name} " for name in names), ""]).encode()
            known = Labels(tuple(names), "sigmoid", mean, (0.5, 0.5, 0.5))
            return Case(rng.choice((b"", b"\xef\xbb\xbf")) + content, "known names", known)
        if rng.random() < 0.4:
            numbers = ("nan", "inf", "-1", "0", "1e999", "0.5", "½", "", "1_0", "x" * 5000)
            header[rng.randrange(1, 3)] = (
                f"# {rng.choice(('mean', 'std'))}: {' '.join(rng.choices(numbers, k=rng.choice((2, 3, 3, 3, 4))))}"
            )
            return Case("\n".join([*header, *names]).encode(), "odd numbers")
        content = "\n".join([*header, *names]).encode()
        return Case(mutate.mutated(content, rng, [content.decode().encode("utf-16")]), "damaged")

    def enter(self, content: bytes) -> Labels:
        """Read it from a file."""
        file = self.home / "labels.txt"
        file.write_bytes(content)
        return read_labels(file)

    def fault(self, case: Case, answer: Any) -> tuple[str, bool]:
        """Names against lines, then numbers."""
        if case.expected is not UNKNOWN:
            return ("" if answer == case.expected else f"got {answer}"), True
        text = case.content.removeprefix(b"\xef\xbb\xbf").decode()
        for line_end in ("\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"):
            text = text.replace(line_end, "\n")
        lines = [line.strip() for line in text.split("\n")]
        if list(answer.classes) != [line for line in lines if line and line[0] != "#"]:
            return "other names than its lines", True
        if len(set(answer.classes)) != len(answer.classes) or not answer.classes:
            return "a name twice, or none", True
        colours = [*(answer.mean or (0, 0, 0)), *(answer.std or (1, 1, 1))]
        if not np.isfinite(colours).all() or min(colours[3:]) <= 0:
            return f"mean {answer.mean} and std {answer.std} make no photo", True
        return ("" if answer.scoring in ("softmax", "sigmoid") else f"scoring {answer.scoring}"), True
