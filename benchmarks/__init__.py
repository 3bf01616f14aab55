"""Benchmarks: one file a subject, seeded data; `python -m benchmarks` runs all of them at small size."""
