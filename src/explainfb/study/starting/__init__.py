"""How a study begins: with a task and a classifier at hand, with settings that suit them, and its cost."""
