"""Recipes for neurons with memory: what a spike of each channel counts for, and corrections from samples."""
