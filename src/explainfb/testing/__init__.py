"""What tests, experiments and screenshots share: a study small enough for a test, and the app with a browser."""
