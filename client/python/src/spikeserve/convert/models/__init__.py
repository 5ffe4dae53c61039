"""Neuron types and synapses: parameters, rates, messages."""
