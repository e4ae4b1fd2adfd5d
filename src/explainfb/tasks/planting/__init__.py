"""Shortcuts that are planted in anyone's pictures: watermarks, stickers, frames, backgrounds, tints and patches."""
