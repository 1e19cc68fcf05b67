"""The records that flow along the arrows: frozen dataclasses, a module per arrow, plus Evidence.

They know nothing of files, engines or screens. Field names are the names in the JSON files (docs/interface.md);
units stand in the names; "unknown" is a value: None with a reason, never a guess.
"""
