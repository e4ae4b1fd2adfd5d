"""The documents as a site: `sphinx-build -c docs . site`, from the top of the repository.

Its source is the whole repository, so that a link from a page to a folder of experiments leads to a page as well.
"""

project = "explainfb"
author = "The explainfb authors"
copyright = "The explainfb authors, MIT licence"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
include_patterns = ["docs/**.md", "docs/**.rst", "docs/**.ipynb", "experiments/**.md", "data/README.md"]
root_doc = "docs/index"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a table's heading may skip a level

# the notebook has no outputs: it is run as the site is made, and a cell that fails ends that
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

# docstrings say `Name`, which becomes a link where the reference has that name
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": False}

html_theme = "pydata_sphinx_theme"
html_title = "explainfb"
html_extra_path = ["redirect"]
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_depth": 2, "header_links_before_dropdown": 6}
# pages that have none below them
html_sidebars = {f"docs/{page}": [] for page in ("tutorial", "method", "findings")}
