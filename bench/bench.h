/* Benchmarks that run inside a guest. Each does a fixed amount of work and returns a checksum. */
#include <stdint.h>

struct benchmark {
  const char *group;
  const char *name;
  uint64_t (*run)(void);
};

uint64_t bench_crc32(void);
uint64_t bench_sieve(void);
uint64_t bench_matrix(void);
uint64_t bench_fib(void);
uint64_t bench_memcpy(void);
uint64_t bench_fp_matrix(void);
uint64_t bench_fp_fft(void);
uint64_t bench_fp_mandelbrot(void);
uint64_t bench_strlen(void);
uint64_t bench_sad(void);
uint64_t bench_sha256(void);
uint64_t bench_aes(void);
