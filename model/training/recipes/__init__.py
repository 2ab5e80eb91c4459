"""How each kind of network is trained."""
