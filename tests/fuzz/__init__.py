"""Fuzzing: files and payloads that are wrong in thousands of ways; see ``python -m tests.fuzz --help``."""
