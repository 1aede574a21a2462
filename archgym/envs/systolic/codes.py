"""Codes of the categorical parameters of a systolic design, and of the reasons why one is infeasible."""

OS, WS, IS = 0, 1, 2  # dataflow
SERIAL, OVERLAPPED = 0, 1  # fold_overlap
BIT_PARALLEL, BIT_SERIAL, MIXED, OUTLIER_VICTIM = 0, 1, 2, 3  # arithmetic
FEASIBLE, CLOCK_TOO_FAST, SRAM_TOO_SMALL, ACCUMULATOR_OVERFLOW = 0, 1, 2, 3  # REASONS
