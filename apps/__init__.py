"""Carousel's processes and the two libraries they share."""
