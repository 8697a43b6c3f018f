"""What a version is worth, judged on samples that had no part in making it."""
