"""Checks the locked dependencies without a network: their licences, and known vulnerabilities."""
