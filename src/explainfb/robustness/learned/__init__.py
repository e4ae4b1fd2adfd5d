"""Attacks that learn: a network that makes adversarial images in one pass."""
