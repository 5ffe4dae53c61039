"""What a finished definition computes and contains: rates, shapes, tables."""
