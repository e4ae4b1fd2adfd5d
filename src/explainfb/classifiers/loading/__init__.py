"""Networks that were made elsewhere: read, understood, and made classifiers of a task."""
