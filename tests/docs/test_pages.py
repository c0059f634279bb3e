"""The pages say what the code says.

``python3 noxfile.py -s tests-3.12 -- tests/docs --rewrite-docs`` writes their generated parts anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .generated import PAGES

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_in_step_with_the_code(page: str, request: pytest.FixtureRequest) -> None:
    """The states are those of the table, and what servers cannot do is what the tests assert."""
    if page == "conformance.md" and sys.version_info < (3, 12):
        pytest.skip("needs Python 3.12: what hypercorn does at a stop depends on it")
    path = DOCS / page
    text = path.read_text("utf-8")
    wanted = text
    for name, generate in PAGES[page].items():
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        assert text.count(start) == 1
        before, _, rest = wanted.partition(start)
        after = rest.partition(end)[2]
        wanted = f"{before}{start}\n{generate()}\n\n{end}{after}"
    if request.config.getoption("--rewrite-docs"):
        path.write_text(wanted, "utf-8")
    else:
        assert text == wanted
