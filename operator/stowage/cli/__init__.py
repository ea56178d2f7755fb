"""The command line: ``stowage operator | crds | catalog``."""
