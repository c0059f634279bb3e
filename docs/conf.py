"""How the documentation is built: ``python3 noxfile.py -s docs``."""

from importlib.metadata import version as installed

project = "eio"
author = "the founders of eio"
version = release = installed("eio-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinxcontrib.mermaid",
]

html_theme = "furo"
html_title = "eio"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
