"""The operator on a real API server, measured from outside: the audit log, a client of its own, /proc."""
