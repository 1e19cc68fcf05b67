"""What runs inside the box: standard library only, Python 3.7+, relative imports, nothing else of dnnbox.

The host imports two of its modules, because they define what crosses the wall: ``protocol`` and ``arrays``.
In a box this package is mounted read-only under the name ``dnnbox_harness``, in an otherwise empty directory.
"""
