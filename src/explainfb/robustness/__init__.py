"""Adversarial robustness: attacks, the worst case over them, and the sanity checks that say when not to believe it."""
