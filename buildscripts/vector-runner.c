/*
 * Executes A64 instructions on given registers and writes down what they leave: the oracle's side of record-vectors.ts.
 * Built for AArch64 Linux, run by qemu-aarch64: vector-runner CASES RESULTS WORDS. A case is WORDS - 2 instructions and
 * the registers; its code is followed by two ways out, the second for a branch that is taken.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define DATA 0x4000000000UL
#define DATA_BYTES 0x30000UL
#define CODE (DATA + DATA_BYTES)
#define CASES 8192UL
#define MAX_WORDS 32UL

/* Offsets are known to the assembly below. */
struct context {
  uint64_t nzcv, fpcr, fpsr, sp; /* 0 8 16 24 */
  uint64_t x[28];                /* 32 */
  uint64_t v[64];                /* 256 */
  uint64_t taken;                /* 768 */
  uint64_t target;               /* 776 */
  uint64_t host_sp;              /* 784 */
  uint64_t signal;               /* 792 */
};


extern void enter(struct context *c);
extern char leave_plain[], leave_taken[];

__asm__(
    ".text\n.global enter, leave_plain, leave_taken\n"
    "enter:\n"
    "  stp x19, x20, [sp, #-160]!\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
    "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
    "  mov x28, x0\n  mov x30, sp\n  str x30, [x28, #784]\n"
    "  ldr x30, [x28, #8]\n  msr fpcr, x30\n  ldr x30, [x28, #16]\n  msr fpsr, x30\n"
    "  add x30, x28, #256\n"
    "  ld1 {v0.2d-v3.2d}, [x30], #64\n  ld1 {v4.2d-v7.2d}, [x30], #64\n  ld1 {v8.2d-v11.2d}, [x30], #64\n  ld1 {v12.2d-v15.2d}, [x30], #64\n"
    "  ld1 {v16.2d-v19.2d}, [x30], #64\n  ld1 {v20.2d-v23.2d}, [x30], #64\n  ld1 {v24.2d-v27.2d}, [x30], #64\n  ld1 {v28.2d-v31.2d}, [x30], #64\n"
    "  ldr x30, [x28, #0]\n  msr nzcv, x30\n"
    "  ldr x30, [x28, #24]\n  mov sp, x30\n"
    "  ldp x0, x1, [x28, #32]\n  ldp x2, x3, [x28, #48]\n  ldp x4, x5, [x28, #64]\n  ldp x6, x7, [x28, #80]\n"
    "  ldp x8, x9, [x28, #96]\n  ldp x10, x11, [x28, #112]\n  ldp x12, x13, [x28, #128]\n  ldp x14, x15, [x28, #144]\n"
    "  ldp x16, x17, [x28, #160]\n  ldp x18, x19, [x28, #176]\n  ldp x20, x21, [x28, #192]\n  ldp x22, x23, [x28, #208]\n"
    "  ldp x24, x25, [x28, #224]\n  ldp x26, x27, [x28, #240]\n"
    "  mov x29, #0\n  ldr x30, [x28, #776]\n  br x30\n"
    "leave_taken:\n  mov x29, #1\n"
    "leave_plain:\n"
    "  str x29, [x28, #768]\n"
    "  stp x0, x1, [x28, #32]\n  stp x2, x3, [x28, #48]\n  stp x4, x5, [x28, #64]\n  stp x6, x7, [x28, #80]\n"
    "  stp x8, x9, [x28, #96]\n  stp x10, x11, [x28, #112]\n  stp x12, x13, [x28, #128]\n  stp x14, x15, [x28, #144]\n"
    "  stp x16, x17, [x28, #160]\n  stp x18, x19, [x28, #176]\n  stp x20, x21, [x28, #192]\n  stp x22, x23, [x28, #208]\n"
    "  stp x24, x25, [x28, #224]\n  stp x26, x27, [x28, #240]\n"
    "  mov x30, sp\n  str x30, [x28, #24]\n"
    "  mrs x30, nzcv\n  str x30, [x28, #0]\n  mrs x30, fpcr\n  str x30, [x28, #8]\n  mrs x30, fpsr\n  str x30, [x28, #16]\n"
    "  msr fpcr, xzr\n"
    "  add x30, x28, #256\n"
    "  st1 {v0.2d-v3.2d}, [x30], #64\n  st1 {v4.2d-v7.2d}, [x30], #64\n  st1 {v8.2d-v11.2d}, [x30], #64\n  st1 {v12.2d-v15.2d}, [x30], #64\n"
    "  st1 {v16.2d-v19.2d}, [x30], #64\n  st1 {v20.2d-v23.2d}, [x30], #64\n  st1 {v24.2d-v27.2d}, [x30], #64\n  st1 {v28.2d-v31.2d}, [x30], #64\n"
    "  ldr x30, [x28, #784]\n  mov sp, x30\n  clrex\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
    "  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp x19, x20, [sp], #160\n  ret\n");

static struct context context;

static void on_signal(int number, siginfo_t *info, void *at) {
  ucontext_t *u = at;
  (void)info;
  context.signal = (uint64_t)number;
  u->uc_mcontext.pc = (uint64_t)leave_plain;
  u->uc_mcontext.regs[28] = (uint64_t)&context;
}

static uint8_t pristine[DATA_BYTES];

static void put(FILE *out, const void *bytes, size_t n) {
  if (fwrite(bytes, 1, n, out) != n) abort();
}

int main(int argc, char **argv) {
  static uint64_t registers[CASES][96];
  static char stack[65536];
  if (argc != 4) return 2;
  size_t words = strtoul(argv[3], NULL, 10);
  if (words < 3 || words > MAX_WORDS) return 2;
  uint8_t *data = mmap((void *)DATA, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint32_t *code = mmap((void *)CODE, CASES * MAX_WORDS * 4 + 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (data == MAP_FAILED || code == MAP_FAILED) return 3;
  for (uint32_t i = 0; i < DATA_BYTES; i++) pristine[i] = (i * 0x9e3779b1u) >> 24;
  memcpy(data, pristine, DATA_BYTES);
  stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternative, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  for (int s = 0; s < 4; s++) sigaction((int[]){SIGILL, SIGSEGV, SIGBUS, SIGTRAP}[s], &action, NULL);
  /* The ways out are too far for a branch: they go through literals in X30. */
  uint32_t *stub = code + CASES * MAX_WORDS;
  for (int k = 0; k < 2; k++) {
    stub[4 * k] = 0x5800005eu; /* ldr x30, #8 */
    stub[4 * k + 1] = 0xd61f03c0u; /* br x30 */
    uint64_t target = (uint64_t)(k == 0 ? leave_plain : leave_taken);
    memcpy(stub + 4 * k + 2, &target, 8);
  }
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  if (!in || !out) return 4;
  size_t count = 0;
  for (; count < CASES; count++) {
    uint32_t *slot = code + words * count;
    if (fread(slot, 4, words - 2, in) != words - 2 || fread(registers[count], sizeof registers[0], 1, in) != 1) break;
    for (size_t e = 0; e < 2; e++) {
      uint32_t *at = slot + words - 2 + e;
      *at = 0x14000000u | ((uint32_t)((stub + 4 * e) - at) & 0x3ffffff);
    }
  }
  __builtin___clear_cache((char *)code, (char *)(stub + 8));
  for (size_t k = 0; k < count; k++) {
    memset(&context, 0, sizeof context);
    memcpy(&context, registers[k], sizeof registers[0]);
    context.target = (uint64_t)(code + words * k);
    enter(&context);
    put(out, &context, 776);
    put(out, &context.signal, 8);
    uint32_t first = 0, last = 0;
    if (memcmp(data, pristine, DATA_BYTES) != 0) {
      for (first = 0; data[first] == pristine[first]; first++) {}
      for (last = DATA_BYTES; data[last - 1] == pristine[last - 1]; last--) {}
    }
    put(out, &first, 4);
    put(out, &last, 4);
    put(out, data + first, last - first);
    memcpy(data + first, pristine + first, last - first);
  }
  return fclose(out) != 0;
}
