"""A study in its folder: settings, rounds, arms, and what each cost."""
