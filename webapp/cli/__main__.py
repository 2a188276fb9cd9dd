"""`python -m webapp.cli`, which is how `recado` starts its own children."""

from webapp.cli import main

main()
