"""The parts of tools/rolling-restart.py: servers that are restarted, clients that call, figures."""
