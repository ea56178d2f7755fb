"""The shell: kopf handlers, caches, queue, ledger, reconcile, resync, events."""
