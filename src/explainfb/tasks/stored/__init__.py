"""Images that are too many for memory: in 8 bits in a file, and in 32 bits as they are used."""
