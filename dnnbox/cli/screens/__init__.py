"""What the terminal shows: pure functions from a record to text, and the progress display.

Foreign text passes dnnbox.text.visible() here; nothing in this package prints but TerminalProgress.
"""
