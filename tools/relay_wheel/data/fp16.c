/* Conversions of fp16 that code of LLVM 10 calls on a CPU without F16C; LLVM 10 passes a half as an
   integer, unlike the functions of the same names in newer versions of libgcc. */
#include <stdint.h>
#include <string.h>

/* Round a significand to nearest even while dropping its last `shift` bits. */
static uint64_t round_even(uint64_t value, unsigned shift) {
  uint64_t half = (uint64_t)1 << (shift - 1);
  uint64_t kept = value >> shift, rest = value & (2 * half - 1);
  return kept + (rest > half || (rest == half && (kept & 1)));
}

/* binary32 / binary64 to binary16; `width` counts the bits, `fraction` those of the significand. */
static uint16_t narrow(uint64_t bits, unsigned width, unsigned fraction) {
  uint64_t magnitude = bits & (((uint64_t)1 << (width - 1)) - 1);
  uint16_t sign = (uint16_t)((bits >> (width - 16)) & 0x8000u);
  unsigned exponent = (unsigned)(magnitude >> fraction);
  unsigned exponent_max = (1u << (width - 1 - fraction)) - 1;
  unsigned rebias = exponent_max / 2 - 15;
  uint64_t significand = magnitude & (((uint64_t)1 << fraction) - 1);
  uint64_t rounded;
  if (exponent == exponent_max && significand)
    return sign | 0x7e00u | (uint16_t)(significand >> (fraction - 10));
  if (exponent >= rebias + 31) return sign | 0x7c00u;
  if (exponent > rebias) {
    rounded = round_even(magnitude - ((uint64_t)rebias << fraction), fraction - 10);
    return sign | (uint16_t)rounded; /* a carry past the largest finite value gives infinity */
  }
  if (exponent + 10 < rebias) return sign;
  significand |= (uint64_t)1 << fraction;
  rounded = round_even(significand, fraction - 10 + (rebias + 1 - exponent));
  return sign | (uint16_t)rounded;
}

float __gnu_h2f_ieee(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 31, fraction = half & 0x3ffu, bits;
  float value;
  if (exponent == 31) {
    bits = 0x7f800000u | (fraction << 13) | (fraction ? 0x00400000u : 0);
  } else if (exponent) {
    bits = ((exponent + 112) << 23) | (fraction << 13);
  } else {
    value = (float)fraction * 0x1p-24f;
    memcpy(&bits, &value, sizeof bits);
  }
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t __gnu_f2h_ieee(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return narrow(bits, 32, 23);
}

uint16_t __truncdfhf2(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return narrow(bits, 64, 52);
}
