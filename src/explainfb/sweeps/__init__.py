"""Several seeds and several settings over processes, with tables and figures."""
