"""Labelled images with what is known of their reasons: data sets by name, folders of pictures, planted shortcuts."""
