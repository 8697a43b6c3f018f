"""Corrections: what people say of samples, kept as facts, which the next run takes."""
