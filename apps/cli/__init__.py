"""The `carousel` command: sends requests round the ring and shows what became of them."""
