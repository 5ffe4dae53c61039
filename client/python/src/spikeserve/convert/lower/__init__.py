"""From a graph of layers to the operations of a network."""
