"""What is passed over in a picture that goes out, as the column `mended` says it."""

DAMAGED_CHUNKS = "damaged chunks"
METADATA = "metadata"
