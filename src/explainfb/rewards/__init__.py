"""Reward models learned from preferences, their ensemble, and whether one predicts answers that it did not see."""
