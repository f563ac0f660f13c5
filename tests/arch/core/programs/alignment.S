// SCTLR_ELx.A: accesses aligned to their elements or not, at EL2 with Normal memory; PC alignment; PSTATE.IL.

#include "harness.S"

    // One line: 0, or what was taken. x1 is the address, x2 the offset that was added to it.
    .macro  try offset, insn:vararg
    ldr     x0, =resume
    ldr     x1, =9f
    str     x1, [x0]
    ldr     x1, =area
    add     x1, x1, #\offset
    mov     x2, #0
    ldr     x0, =8f
    b       8f
    .balign 64
8:  \insn
    print   #0
9:
    .endm

main:
    mov     x29, x30
    bl      mmu_on
    mrs     x0, sctlr_el2
    orr     x0, x0, #2
    msr     sctlr_el2, x0
    isb
    .irp    offset, 0, 1, 4, 8
    try     \offset, ldrb w3, [x1]
    try     \offset, ldrh w3, [x1]
    try     \offset, ldr w3, [x1]
    try     \offset, str x3, [x1]
    try     \offset, ldrsw x3, [x1, #4]
    try     \offset, stur x3, [x1, #1]
    try     \offset, ldp w3, w4, [x1]
    try     \offset, ldp x3, x4, [x1, #8]!
    try     \offset, stp x3, x4, [x1], #16
    try     \offset, ldpsw x3, x4, [x1]
    try     \offset, ldr q0, [x1]
    try     \offset, str q0, [x1]
    try     \offset, ldr d0, [x1]
    try     \offset, ldp q0, q1, [x1]
    try     \offset, stp d0, d1, [x1]
    try     \offset, ld1 {v0.16b}, [x1]
    try     \offset, ld1 {v0.4s, v1.4s}, [x1]
    try     \offset, st1 {v0.2d}, [x1]
    try     \offset, ld2 {v0.8h, v1.8h}, [x1]
    try     \offset, ld3 {v0.4s, v1.4s, v2.4s}, [x1]
    try     \offset, st4 {v0.2d, v1.2d, v2.2d, v3.2d}, [x1]
    try     \offset, ld1 {v0.s}[1], [x1]
    try     \offset, ld1r {v0.4h}, [x1]
    try     \offset, st2 {v0.d, v1.d}[1], [x1]
    try     \offset, ldxr w3, [x1]
    try     \offset, ldaxr x3, [x1]
    try     \offset, ldxp x3, x4, [x1]
    try     \offset, ldar w3, [x1]
    try     \offset, stlr x3, [x1]
    try     \offset, ldadd w3, w4, [x1]
    try     \offset, cas x3, x4, [x1]
    try     \offset, dc zva, x1
    .endr
    // Without A the exclusives still want it, the others do not. (QEMU 7.2 has LDAPR and a failing STXR like those.)
    mrs     x0, sctlr_el2
    bic     x0, x0, #2
    msr     sctlr_el2, x0
    isb
    .irp    offset, 0, 1, 4, 8
    try     \offset, ldr x3, [x1]
    try     \offset, stp q0, q1, [x1]
    try     \offset, ldxr w3, [x1]
    try     \offset, ldaxp w3, w4, [x1]
    try     \offset, stlrh w3, [x1]
    try     \offset, swp x3, x4, [x1]
    .endr
    // A branch to a misaligned address, and an illegal return (to EL3) whose next instruction is Illegal.
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    ldr     x1, =code + 2
    ret     x1
1:  ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    ldr     x1, =code
    msr     elr_el2, x1
    mov     x1, #0x3cd
    msr     spsr_el2, x1
    eret
1:  // The same, with a misaligned address: that comes first.
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    ldr     x1, =code + 1
    msr     elr_el2, x1
    mov     x1, #0x3cd
    msr     spsr_el2, x1
    eret
1:  // And with one that is not mapped.
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    mov     x1, #0x200000000
    msr     elr_el2, x1
    mov     x1, #0x3cd
    msr     spsr_el2, x1
    eret
1:  b       finish
    .ltorg

#include "mmu.S"

    .bss
    .balign 4096
area:
    .skip   4096
    .text
    .balign 64
code:
    nop
    nop
