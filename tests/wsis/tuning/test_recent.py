from __future__ import annotations

from wsis.tuning.recent import Recent


def test_the_oldest_goes_and_what_is_kept_is_not_worked_out_again():
    recent, worked_out = Recent[str](2), []

    def value(key):
        worked_out.append(key)
        return key.upper()

    for key in ("a", "b", "a", "c", "b", "a"):
        assert recent.get(key, lambda key=key: value(key)) == key.upper()
        assert len(recent) <= 2
    assert worked_out == ["a", "b", "c", "a"]
