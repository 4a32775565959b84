#include "kernels.h"
#include <emmintrin.h>

static uint64_t bits(double d) {
  union { double d; uint64_t u; } v = {d};
  return v.u;
}

static uint64_t mandelbrot(uint64_t n) {
  uint64_t total = 0;
  for (uint64_t k = 0; k < n; k++)
    for (int py = 0; py < 64; py++)
      for (int px = 0; px < 64; px++) {
        double cx = px / 28.0 - 1.6, cy = py / 32.0 - 1.0 + k * 1e-6, x = 0, y = 0;
        int i = 0;
        for (; i < 100 && x * x + y * y < 4; i++) {
          double t = x * x - y * y + cx;
          y = 2 * x * y + cy;
          x = t;
        }
        total += i;
      }
  return total;
}

static double left[2048], right[2048];

static uint64_t dot(uint64_t n) {
  double total = 0;
  for (int i = 0; i < 2048; i++) left[i] = i * 0.5, right[i] = 1.0 / (i + 1);
  for (uint64_t k = 0; k < n; k++) {
    double part = k;
    for (int i = 0; i < 2048; i++) part += left[i] * right[i];
    total += part;
  }
  return bits(total);
}

static uint64_t packed(uint64_t n) {
  __m128d total = _mm_setzero_pd();
  for (int i = 0; i < 2048; i++) left[i] = i * 0.25, right[i] = 3.0 / (i + 2);
  for (uint64_t k = 0; k < n; k++) {
    __m128d part = _mm_set1_pd(k);
    for (int i = 0; i < 2048; i += 2) part = _mm_add_pd(part, _mm_mul_pd(_mm_loadu_pd(left + i), _mm_loadu_pd(right + i)));
    total = _mm_add_pd(total, part);
  }
  double out[2];
  _mm_storeu_pd(out, total);
  return bits(out[0]) ^ bits(out[1]);
}

static uint64_t vector(uint64_t n) {
  __m128i a = _mm_set_epi32(1, 2, 3, 4), b = _mm_set_epi32(5, 6, 7, 8), c = _mm_setzero_si128();
  for (uint64_t k = 0; k < n; k++) {
    a = _mm_add_epi32(a, b);
    b = _mm_xor_si128(_mm_slli_epi32(b, 3), _mm_srli_epi32(a, 2));
    c = _mm_add_epi16(c, _mm_unpacklo_epi16(a, b));
    c = _mm_or_si128(_mm_cmpgt_epi16(c, b), _mm_shuffle_epi32(c, 0x1b));
  }
  uint64_t out[2];
  _mm_storeu_si128((__m128i *)out, _mm_xor_si128(a, _mm_xor_si128(b, c)));
  return out[0] ^ out[1];
}

static uint64_t extended(uint64_t n) {
  long double x = 0.7L, total = 0;
  for (uint64_t k = 0; k < n; k++) {
    x = x * 3.7L * (1.0L - x);
    total += x / (k + 1.5L);
  }
  return bits((double)total);
}
