"""Upstream's own scripts, run in this box until they have built their models: what did the constructors get?

Reading a script tells what it gives a constructor only as far as its code can be followed. Run with the options that a
document shows, it tells by itself, whatever its settings went through. Data, weights, devices and packages that it asks
for are not here, so a statement that fails is left out and what it would have made is stood in for.

========  ==================================================================
lenient   a script's code, in which a statement that fails is no end
staging   the rest of the world: command lines, several processes, training
noting    the arguments of each constructor as plain values
running   one script in a process of its own, within a limit
========  ==================================================================
"""
