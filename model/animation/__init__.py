"""A talking clip: a source (whose face), a driver (whose movement), and the clip that is made of both."""
