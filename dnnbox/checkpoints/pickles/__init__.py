"""An own, inert pickle virtual machine: it says what a pickle would build, and builds, imports and calls nothing.

Neither ``pickle`` nor ``pickletools`` is used: a reader that shares the parser of the loader shares its mistakes, and
``pickletools`` reads frames differently from the C unpickler (CPython issue 154848).
"""
