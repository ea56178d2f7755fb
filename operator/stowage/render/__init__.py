"""From a decision to Kubernetes objects and to status. Pure: no clock, no I/O, no logging."""
