"""Tests of whether a difference between forecasters is more than chance, on NumPy arrays."""
