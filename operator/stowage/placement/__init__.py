"""The decision. Pure: no clock, no I/O, no logging, no randomness; time is an argument."""
