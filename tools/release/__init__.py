"""What a release needs beside its files: one version everywhere, and notes from the changelog."""
