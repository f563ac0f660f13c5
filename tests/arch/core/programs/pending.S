// ISR_EL1 says at once what a register of the interrupt controller has made pending; and what is pending and not masked is
// taken at ISB and where the masks open. QEMU is the judge.

#define OWN_HANDLER
#include "harness.S"

    .equ    GICD, 0x08000000
    .equ    GICR, 0x080a0000
    .equ    SGI_BASE, 0x080b0000

    .macro  store address, value
    ldr     x0, =\address
    ldr     w1, =\value
    str     w1, [x0]
    .endm
    .macro  pending
    isb
    mrs     x3, isr_el1
    print   x3
    .endm

main:
    mov     x29, x30
    store   GICD, 0x52
    store   GICR + 0x14, 0
    store   SGI_BASE + 0x80, 0xfffffffd     // SGI 1 in Group 0
    store   SGI_BASE + 0x100, 0xf
    mov     x0, #0xff
    msr     icc_pmr_el1, x0
    mov     x0, #1
    msr     icc_igrpen0_el1, x0
    msr     icc_igrpen1_el1, x0
    pending
    store   SGI_BASE + 0x200, 1
    pending
    store   SGI_BASE + 0x180, 1
    pending
    store   SGI_BASE + 0x100, 1
    pending
    store   SGI_BASE + 0x300, 1             // active
    pending
    store   SGI_BASE + 0x380, 1
    pending
    store   SGI_BASE + 0x400, 0xf8          // a priority that PMR masks
    mov     x0, #0xf0
    msr     icc_pmr_el1, x0
    pending
    store   SGI_BASE + 0x400, 0x80
    pending
    store   SGI_BASE + 0x200, 2             // Group 0: its group is off
    pending
    store   GICD, 0x53
    store   SGI_BASE + 0x280, 1
    pending
    store   GICD, 0x50
    pending

    // X4 is 1 if it was taken before the end of what comes after the store.
    .macro  take masked, more:vararg
    resume_at 9f
    store   SGI_BASE + 0x280, 0xf
    store   GICD, 0x53
    ldr     x0, =SGI_BASE
    mov     w1, #1
    mov     x4, #0
    ldr     x3, =0x80000018         // RW, IMO, FMO
    msr     hcr_el2, x3
    .if     \masked
    msr     daifset, #2
    .else
    msr     daifclr, #2
    .endif
    str     w1, [x0, #0x200]
    \more
    mov     x5, x4
9:  msr     daifset, #15
    isb
    print   x4, x5
    .endm
    .macro  resume_at label
    ldr     x0, =resume
    ldr     x1, =\label
    str     x1, [x0]
    .endm
    mov     x5, #5
    take    0, isb
    take    1, isb
    take    1, msr daifclr, #2
    take    1, msr daif, x4
    ret     x29
    .ltorg
taken:
    mov     x4, #1
    mov     x5, #1
    ldr     x0, =resume
    ldr     x0, [x0]
    br      x0
