"""Text that comes from data, made safe for where it goes: one function a target, and nothing but these."""
