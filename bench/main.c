/*
 * Runs the benchmarks of the group named by the argument (all without one), each REPEATS times, and prints
 * `group name checksum nanoseconds` with the shortest time.
 */
#include "bench.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REPEATS 3

static const struct benchmark benchmarks[] = {
  { "compute", "crc32", bench_crc32 },
  { "compute", "sieve", bench_sieve },
  { "compute", "matrix", bench_matrix },
  { "compute", "fib", bench_fib },
  { "compute", "memcpy", bench_memcpy },
  { "fp", "matrix", bench_fp_matrix },
  { "fp", "fft", bench_fp_fft },
  { "fp", "mandelbrot", bench_fp_mandelbrot },
  { "simd", "strlen", bench_strlen },
  { "simd", "sad", bench_sad },
  { "simd", "sha256", bench_sha256 },
  { "simd", "aes", bench_aes },
};

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof benchmarks / sizeof *benchmarks; i++) {
    const struct benchmark *b = &benchmarks[i];
    if (argc > 1 && strcmp(argv[1], b->group) != 0) continue;
    uint64_t checksum = 0, best = UINT64_MAX;
    for (int r = 0; r < REPEATS; r++) {
      uint64_t start = now();
      checksum = b->run();
      uint64_t took = now() - start;
      if (took < best) best = took;
    }
    printf("%s %s %" PRIx64 " %" PRIu64 "\n", b->group, b->name, checksum, best);
    fflush(stdout);
  }
  return 0;
}
