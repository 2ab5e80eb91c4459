"""The test protocol, what is measured with it, and the tables."""
