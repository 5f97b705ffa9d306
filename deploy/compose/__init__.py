"""What runs inside the container stack's own small containers. Standard library only; it is part of the image."""
