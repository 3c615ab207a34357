"""Networks: bundles of them, what they predict, how they are trained. Only here is torch known."""
