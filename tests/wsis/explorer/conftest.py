"""One explorer with the embedded model for all tests in a browser, and visitors to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.bad_files import encoded


@pytest.fixture(scope="session")
def site(browser):
    from tests.helpers.attentive import AttentivePipeline
    from tests.helpers.browser_tools import serve

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


@pytest.fixture(scope="module")
def page(browser, request):
    """A page with those scripts of the real one that a file names as `SCRIPTS`, and nothing else."""
    from wsis.explorer import layout

    page = browser.new_page()
    page.set_content("<html><body></body></html>")
    page.evaluate("config => { globalThis.wsis = {config}; }", layout.method_config())
    for name in request.module.SCRIPTS:
        script = Path(layout.__file__).parent / "stage" / f"{name}.js"
        page.add_script_tag(content=script.read_text(encoding="utf-8"))
    yield page
    page.close()


@pytest.fixture(scope="session")
def cat(photo):
    """The bytes of scikit-image's cat as a JPEG."""
    return encoded(photo, "JPEG", quality=92)
