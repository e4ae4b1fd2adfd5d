"""Studies that are kept: whether every file is as it was written, and whether their numbers come again."""
