/* Vectors and the cryptographic instructions. */
#include "bench.h"
#include <arm_neon.h>
#include <string.h>

/* The C library's strlen, over strings of 1 to 4096 characters. */
uint64_t bench_strlen(void) {
  static char text[1 << 13];
  memset(text, 'x', sizeof text);
  uint64_t sum = 0;
  for (unsigned pass = 0; pass < 60; pass++)
    for (unsigned length = 1; length < 4096; length++) {
      text[length + (pass & 15)] = 0;
      sum += strlen(text + (pass & 15));
      text[length + (pass & 15)] = 'x';
    }
  return sum;
}

/* Sum of absolute differences of bytes, over 256 MB. */
uint64_t bench_sad(void) {
  static uint8_t a[1 << 16], b[1 << 16];
  for (unsigned i = 0; i < sizeof a; i++) {
    a[i] = (uint8_t)(i * 7);
    b[i] = (uint8_t)(i * 13 >> 3);
  }
  uint64_t total = 0;
  for (unsigned pass = 0; pass < 4096; pass++) {
    uint32x4_t sum = vdupq_n_u32(0);
    for (unsigned i = 0; i < sizeof a; i += 16) {
      uint8x16_t difference = vabdq_u8(vld1q_u8(a + i), vld1q_u8(b + i));
      sum = vpadalq_u16(sum, vpaddlq_u8(difference));
    }
    total = total * 3 + vaddvq_u32(sum) + pass;
  }
  return total;
}

static const uint32_t K[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* SHA-256's compression function by FEAT_SHA256, over 16 MB. */
uint64_t bench_sha256(void) {
  static uint8_t data[1 << 14];
  for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 31);
  uint32x4_t abcd = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a };
  uint32x4_t efgh = { 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
  for (unsigned pass = 0; pass < 1024; pass++)
    for (unsigned at = 0; at < sizeof data; at += 64) {
      uint32x4_t a = abcd, e = efgh, w[4];
      for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + at + 16 * i)));
      for (int round = 0; round < 16; round++) {
        uint32x4_t now = w[round & 3];
        uint32x4_t in = vaddq_u32(now, vld1q_u32(K + 4 * round));
        if (round < 12)
          w[round & 3] = vsha256su1q_u32(vsha256su0q_u32(now, w[(round + 1) & 3]), w[(round + 2) & 3], w[(round + 3) & 3]);
        uint32x4_t before = a;
        a = vsha256hq_u32(a, e, in);
        e = vsha256h2q_u32(e, before, in);
      }
      abcd = vaddq_u32(abcd, a);
      efgh = vaddq_u32(efgh, e);
    }
  return (uint64_t)abcd[0] << 32 | efgh[3];
}

/* AES-128 of counters by FEAT_AES, 32 MB, with made-up round keys. */
uint64_t bench_aes(void) {
  uint8x16_t keys[11];
  for (int i = 0; i < 11; i++) keys[i] = vdupq_n_u8((uint8_t)(0x35 * i + 7));
  uint64x2_t sum = vdupq_n_u64(0);
  for (uint64_t n = 0; n < 2u << 20; n++) {
    uint8x16_t block = vreinterpretq_u8_u64((uint64x2_t){ n, ~n });
    for (int i = 0; i < 9; i++) block = vaesmcq_u8(vaeseq_u8(block, keys[i]));
    block = veorq_u8(vaeseq_u8(block, keys[9]), keys[10]);
    sum = veorq_u64(sum, vreinterpretq_u64_u8(block));
  }
  return sum[0] ^ sum[1];
}
