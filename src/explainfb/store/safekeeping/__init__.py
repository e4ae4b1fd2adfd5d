"""What is on record, kept: checksums and fingerprints, by which rows that changed are seen; copies; earlier schemas;
outages that are waited out."""
