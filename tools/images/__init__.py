"""Builds the container images, with Docker where it runs, else without any registry or daemon."""
