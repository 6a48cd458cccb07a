"""`python -m youai_stack` is `youai`."""

from youai_stack.cli import main

main()
