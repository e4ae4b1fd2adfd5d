"""Reward models learned from preferences, their ensemble, and whether one foretells answers that it did not see."""
