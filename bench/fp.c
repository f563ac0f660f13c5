/* Floating point in double precision. Nothing here depends on the C library's own functions. */
#include "bench.h"
#include <string.h>

static uint64_t bits(double value) {
  uint64_t out;
  memcpy(&out, &value, sizeof out);
  return out;
}

/* Products of two 256 x 256 matrices, four times. */
uint64_t bench_fp_matrix(void) {
  enum { N = 256 };
  static double a[N][N], b[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = 1.0 / (i + j + 1);
      b[i][j] = (i - j) * 0.5;
    }
  double sum = 0;
  for (int pass = 0; pass < 4; pass++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        double s = pass;
        for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
        sum += s;
      }
  return bits(sum);
}

/* Radix-2 transforms of 2^14 points; the roots of unity by repeated multiplication. */
uint64_t bench_fp_fft(void) {
  enum { BITS = 14, N = 1 << BITS };
  static double re[N], im[N];
  double sum = 0;
  for (int pass = 0; pass < 64; pass++) {
    for (unsigned i = 0; i < N; i++) {
      unsigned r = 0;
      for (unsigned b = 0; b < BITS; b++) r |= (i >> b & 1) << (BITS - 1 - b);
      re[r] = (double)((i * 37 + (unsigned)pass) % 101);
      im[r] = 0;
    }
    /* cos and sin of pi, pi/2, pi/4, … by halving the angle. */
    double c = -1, s = 0;
    for (unsigned half = 1; half < N; half *= 2) {
      double wr = 1, wi = 0;
      for (unsigned k = 0; k < half; k++) {
        for (unsigned i = k; i < N; i += 2 * half) {
          double tr = wr * re[i + half] - wi * im[i + half];
          double ti = wr * im[i + half] + wi * re[i + half];
          re[i + half] = re[i] - tr;
          im[i + half] = im[i] - ti;
          re[i] += tr;
          im[i] += ti;
        }
        double next = wr * c - wi * -s;
        wi = wr * -s + wi * c;
        wr = next;
      }
      double half_c = __builtin_sqrt((1 + c) / 2);
      s = half_c == 0 ? 1 : s / (2 * half_c);
      c = half_c;
    }
    for (unsigned i = 0; i < N; i += 97) sum += re[i] * re[i] + im[i] * im[i];
  }
  return bits(sum);
}

/* 400 x 400 points, at most 400 steps each. */
uint64_t bench_fp_mandelbrot(void) {
  uint64_t steps = 0;
  for (int y = 0; y < 400; y++)
    for (int x = 0; x < 400; x++) {
      double cr = x / 160.0 - 2, ci = y / 200.0 - 1, zr = 0, zi = 0;
      int n = 0;
      while (n < 400 && zr * zr + zi * zi < 4) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        n++;
      }
      steps += (uint64_t)n;
    }
  return steps;
}
