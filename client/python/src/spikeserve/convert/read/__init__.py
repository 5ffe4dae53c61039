"""From model files and live models to a graph of layers."""
