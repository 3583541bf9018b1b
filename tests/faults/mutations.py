"""Damage as it happens to files: each kind changes bytes at places that a generator of random numbers chooses."""

from collections.abc import Callable, Mapping

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], bytearray]


def flip_bits(content: bytearray, rng: np.random.Generator) -> bytearray:
    """One bit, or up to twenty."""
    for place in rng.integers(len(content), size=rng.choice([1, 1, 3, 20])):
        content[place] ^= 1 << int(rng.integers(8))
    return content


def zero_block(content: bytearray, rng: np.random.Generator) -> bytearray:
    """A sector or several that could not be read."""
    start, size = int(rng.integers(len(content))), int(rng.choice([64, 512, 4096]))
    content[start : start + size] = bytes(len(content[start : start + size]))
    return content


def swap_blocks(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Two blocks in each other's place."""
    size = int(rng.choice([188, 1024, 4096]))
    first, second = sorted(int(n) for n in rng.integers(len(content) - size, size=2))
    if second - first >= size:
        content[first : first + size], content[second : second + size] = (
            content[second : second + size],
            content[first : first + size],
        )
    return content


def cut_end(content: bytearray, rng: np.random.Generator) -> bytearray:
    """A copy that stopped early, often near its end."""
    return content[: int(len(content) * rng.choice([rng.uniform(0.05, 1), rng.uniform(0.9, 1)]))]


def cut_hole(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Some bytes left out."""
    start, size = int(rng.integers(len(content))), int(rng.choice([1, 188, 2000, 20000]))
    del content[start : start + size]
    return content


def insert_bytes(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Some bytes that do not belong there."""
    start, size = int(rng.integers(len(content))), int(rng.choice([1, 188, 2000]))
    content[start:start] = rng.bytes(size)
    return content


MUTATIONS: Mapping[str, Mutation] = {
    function.__name__: function for function in (flip_bits, zero_block, swap_blocks, cut_end, cut_hole, insert_bytes)
}
