"""Ways to run Carousel: natively (``deploy.native``) and in containers."""
