"""Preparing one video: which frames, which crops, the bank, K, and the rows of its shard."""
