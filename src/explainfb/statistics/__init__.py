"""Intervals, calibration and corrected tests over images and seeds; nothing here knows what a classifier is."""
