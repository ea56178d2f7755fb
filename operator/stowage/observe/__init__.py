"""What the outside sees of the process: logs and probes."""
