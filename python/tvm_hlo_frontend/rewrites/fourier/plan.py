"""How a transform of n elements is taken apart, and its constants, computed in double precision."""

from __future__ import annotations

import numpy as np

# a matrix product is as fast as anything up to here, and as accurate
DIRECT_LIMIT = 64
# a prime length beyond it goes through transforms of a power of two
DIRECT_PRIME_LIMIT = 160


def factor(n: int) -> int | None:
    """The size of the inner transforms for n elements: n itself for a matrix product, None for Bluestein's way."""
    if n <= DIRECT_LIMIT:
        return n
    divisors = [size for size in range(2, DIRECT_LIMIT + 1) if n % size == 0]
    if divisors:
        # about the square root, so that both halves are small
        root = n**0.5
        return min(divisors, key=lambda size: abs(np.log(size / min(root, DIRECT_LIMIT))))
    return n if n <= DIRECT_PRIME_LIMIT else None


def unit_roots(products: np.ndarray, n: int, sign: int) -> np.ndarray:
    """exp(sign * 2 pi i * products / n), with the angle reduced exactly in integers first."""
    angle = 2 * np.pi * (products % n) / n
    return np.cos(angle) + 1j * sign * np.sin(angle)


def dft_matrix(n: int, sign: int) -> np.ndarray:
    """Real matrix [2n, 2n] that takes (re, im) of n elements to (re, im) of their transform, as rows of weights."""
    index = np.arange(n)
    roots = unit_roots(np.outer(index, index), n, sign)
    return np.block([[roots.real, -roots.imag], [roots.imag, roots.real]])


def twiddles(n1: int, n2: int, sign: int) -> np.ndarray:
    """Factors [n2, n1] between the transforms over n1 and those over n2."""
    return unit_roots(np.outer(np.arange(n2), np.arange(n1)), n1 * n2, sign)


def chirp(n: int, sign: int) -> np.ndarray:
    """exp(sign * pi i * k^2 / n)."""
    index = np.arange(n, dtype=np.int64)
    return unit_roots(index * index, 2 * n, sign)


def chirp_filter(n: int, length: int, sign: int) -> np.ndarray:
    """Transform of the conjugate chirp, wrapped around `length`, divided by `length`."""
    wave = np.conj(chirp(n, sign))
    padded = np.zeros(length, np.complex128)
    padded[:n] = wave
    padded[length - n + 1 :] = wave[1:][::-1]
    return np.fft.fft(padded) / length


def padded_length(n: int) -> int:
    """The power of two in which Bluestein's convolution fits."""
    return 1 << (2 * n - 2).bit_length()
