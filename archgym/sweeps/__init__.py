"""Sweeps: many searches, made by Ray Tune, each in a run directory of its own."""
