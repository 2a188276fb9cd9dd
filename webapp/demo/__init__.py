"""The demo: a shop with people, lists and two weeks of history, on a gateway of its own that writes to nobody."""
