"""A faithful stand-in of the gateway, for the demo, for training and for tests."""
