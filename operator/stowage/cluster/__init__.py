"""The Kubernetes API server: a Protocol, the client behind it, its errors, and a self-repairing cache."""
