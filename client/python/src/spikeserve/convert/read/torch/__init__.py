"""Reads live modules of torch, which traces them; torch is imported for these alone."""
