"""One explorer with the embedded model for all tests in a browser, and visitors to it."""

from __future__ import annotations

import pytest

from tests.helpers.bad_files import encoded


@pytest.fixture(scope="session")
def site(browser):
    from tests.helpers.browser_tools import AttentivePipeline, serve

    with serve(AttentivePipeline.load()) as served:
        yield served


@pytest.fixture
def visit(browser, site):
    """Opens pages; nothing may have gone wrong in any of them."""
    from tests.helpers.browser_tools import Visitors

    visitors = Visitors(browser, site)
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert visitors.wrong == []


@pytest.fixture(scope="session")
def cat(photo):
    """The bytes of scikit-image's cat as a JPEG."""
    return encoded(photo, "JPEG", quality=92)
