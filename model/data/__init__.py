"""From rows of shards to what the network takes, on its device."""
