// Alignment that Device memory wants of each access (AArch64.S1HasAlignmentFault), also where stage 1 is off, and that
// SCTLR_ELx.SA wants of SP as a base (CheckSPAlignment). QEMU 7.2 has neither: what is expected stands in //= lines.

#define OWN_HANDLER
#include "harness.S"

    .macro  resume_at label
    ldr     x0, =resume
    ldr     x1, =\label
    str     x1, [x0]
    .endm

    // x1 is the address, on Device memory.
    .macro  device offset, insn:vararg
    resume_at 9f
    ldr     x1, =area + 0x40000000 + \offset

    \insn
    print   #0
9:
    .endm

    // SP is misaligned by 8.
    .macro  stack insn:vararg
    resume_at 9f
    mov     x1, #16
    mov     x10, sp
    sub     x2, sp, #0x108
    mov     sp, x2
    \insn
    mov     sp, x10
    print   #0
    b       10f
9:  print   #0xbad
10:
    .endm

main:
    bl      mmu_on
    ldr     x0, =tables
    ldr     x1, =0x40000401         // the same RAM as Device memory, 1 GiB further up
    str     x1, [x0, #16]
    dsb     sy
    isb

    bl      devices
    bl      stacks
    // Stage 1 off: all memory is Device memory, and DC ZVA is refused.
    mrs     x0, sctlr_el2
    bic     x0, x0, #1
    msr     sctlr_el2, x0
    isb
    print   #0xff
    resume_at 1f
    ldr     x1, =area
    ldr     w3, [x1, #4]
    ldp     w3, w4, [x1, #4]
    print   #0
    ldr     x3, [x1, #4]
1:  resume_at 1f
    ldr     x1, =area
    dc      zva, x1
1:  b       finish

devices:
    mov     x29, x30
    device  0, ldr x3, [x1]
    device  4, ldp w3, w4, [x1]
    device  8, stp x3, x4, [x1]
    device  8, ld1 {v0.4s}, [x1]
    device  1, ld1 {v0.16b}, [x1]
    device  0, ldxr x3, [x1]
    device  4, ldr x3, [x1]
    device  1, strh w3, [x1]
    device  4, ldp x3, x4, [x1]
    device  8, ldr q0, [x1]
    device  2, ld2 {v0.4s, v1.4s}, [x1]
    device  4, st1 {v0.2d}, [x1]
    device  0, dc zva, x1
    // What another access has brought into a TLB does not help.
    device  0, ldr x3, [x1, #1]
    // A page that is read-only: alignment comes before permission.
    ldr     x0, =tables
    ldr     x1, =0x40000481
    str     x1, [x0, #16]
    dsb     sy
    tlbi    alle2
    dsb     sy
    isb
    device  0, str x3, [x1]
    device  4, str x3, [x1]
    ret     x29
//= 0
//= 0
//= 0
//= 0
//= 0
//= 0
//= 2 200 96000021
//= 2 200 96000061
//= 2 200 96000021
//= 2 200 96000021
//= 2 200 96000021
//= 2 200 96000061
//= 2 200 96000061
//= 2 200 96000021
//= 2 200 9600004d
//= 2 200 96000061

stacks:
    mov     x29, x30
    mrs     x0, sctlr_el2
    orr     x0, x0, #8
    msr     sctlr_el2, x0
    isb
    stack   ldr x3, [sp]
    stack   str x3, [sp, #8]
    stack   ldr x3, [sp, #8]!
    stack   stp x3, x4, [sp, #-16]!
    stack   ldp q0, q1, [sp], #32
    stack   ldrb w3, [sp, #3]
    stack   ldr x3, [sp, x1]
    stack   ld1 {v0.2d}, [sp]
    stack   ldxr x3, [sp]
    stack   ldadd x3, x4, [sp]
    stack   ldar w3, [sp]
    stack   sub sp, sp, #24
    stack   prfm pldl1keep, [sp]
    mov     x1, #100                // often enough that the code is made anew
1:  stp     x0, x1, [sp, #-32]!
    ldr     x3, [sp, #8]
    ldp     x0, x1, [sp], #32
    subs    x1, x1, #1
    b.ne    1b
    print   x3
    mrs     x0, sctlr_el2
    bic     x0, x0, #8
    msr     sctlr_el2, x0
    isb
    stack   ldr x3, [sp]
    stack   stp x3, x4, [sp, #-16]!
    ret     x29
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 2 200 9a000000
//= bad
//= 0
//= 0
//= 1
//= 0
//= 0
//= ff
//= 0
//= 2 200 96000021
//= 2 200 96000061

taken:
    ldr     x0, =stack_top
    mov     sp, x0
    mrs     x1, esr_el2
    ldr     x2, =resume
    ldr     x2, [x2]
    mrs     x3, tpidrro_el0
    print   #2, x3, x1
    br      x2

    .ltorg

#include "mmu.S"

    .bss
    .balign 4096
area:
    .skip   4096
    .text

