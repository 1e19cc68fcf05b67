"""Campaigns that break things on purpose: kill -9, full disks, an engine that goes away. Run by `make fault-…`."""
