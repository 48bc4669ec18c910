"""Seeded stories of a desk in trouble: the real services and the real broker client on a fake clock.

One seed is one story. `make soak SEED=7` plays one again, word for word; `make soak SEEDS=20000` plays more.
"""
