"""What everything else stands on: records, errors, seeding, whole files, devices, progress, the environment."""
