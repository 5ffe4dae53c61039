"""What sample data and options set on a lowered network: scales, byte inputs, voltages, delays."""
