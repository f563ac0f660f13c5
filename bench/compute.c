/* Small integer loops. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* CRC-32 by bytes with a table of 256 words, over 128 MB. */
uint64_t bench_crc32(void) {
  static uint32_t table[256];
  static uint8_t data[1 << 16];
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t c = n;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 2654435761u >> 24);
  uint32_t crc = ~0u;
  for (int pass = 0; pass < 2048; pass++)
    for (unsigned i = 0; i < sizeof data; i++) crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
  return ~crc;
}

/* Primes below 4 million, 16 times. */
uint64_t bench_sieve(void) {
  enum { LIMIT = 4000000 };
  static uint8_t composite[LIMIT];
  uint64_t count = 0;
  for (int pass = 0; pass < 16; pass++) {
    memset(composite, 0, sizeof composite);
    for (unsigned i = 2; i < LIMIT; i++) {
      if (composite[i]) continue;
      count++;
      for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i) composite[j] = 1;
    }
  }
  return count;
}

/* Products of two 320 x 320 matrices of 32-bit integers, four times. */
uint64_t bench_matrix(void) {
  enum { N = 320 };
  static uint32_t a[N][N], b[N][N];
  for (unsigned i = 0; i < N; i++)
    for (unsigned j = 0; j < N; j++) {
      a[i][j] = i * 31 + j * 17;
      b[i][j] = i * 13 ^ j * 7;
    }
  uint64_t sum = 0;
  for (unsigned pass = 0; pass < 4; pass++)
    for (unsigned i = 0; i < N; i++)
      for (unsigned j = 0; j < N; j++) {
        uint32_t s = pass;
        for (unsigned k = 0; k < N; k++) s += a[i][k] * b[k][j];
        sum = sum * 31 + s;
      }
  return sum;
}

__attribute__((noinline)) static uint64_t fib(unsigned n) {
  /* The optimiser would unfold a plain recursion many levels deep. */
  __asm__ volatile("" : "+r"(n));
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

/* Recursive calls: 78 million. */
uint64_t bench_fib(void) {
  return fib(37);
}

/* The C library's memcpy: blocks of 16 bytes to 1 MB. */
uint64_t bench_memcpy(void) {
  static uint8_t from[1 << 20], to[1 << 20];
  uint64_t sum = 0;
  for (unsigned i = 0; i < sizeof from; i++) from[i] = (uint8_t)(i * 7);
  for (unsigned size = 16; size <= sizeof from; size *= 4)
    for (uint64_t done = 0; done < (384u << 20) && done < size * 1600000ull; done += size) {
      unsigned offset = (unsigned)(done / size) & 15;
      if (size + offset > sizeof from) offset = 0;
      memcpy(to, from + offset, size);
      sum += to[size - 1];
    }
  return sum;
}
