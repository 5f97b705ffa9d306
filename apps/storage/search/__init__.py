"""A search engine beside the store: fed from its outbox, asked for full text while it is caught up (ADR-0010)."""
