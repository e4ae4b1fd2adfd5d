"""results.json: what a study measured, checked whenever it is read or written."""
