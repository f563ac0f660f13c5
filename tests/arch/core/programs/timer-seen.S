// A timer has interrupted when software sees that its condition is met: in the control register, in the timer's value, or
// by the count itself. On QEMU it comes some time afterwards, as it may.

#define OWN_HANDLER
#include "harness.S"

    .equ    GICD, 0x08000000
    .equ    GICR, 0x080a0000
    .equ    ENABLE, 1
    .equ    IMASK, 2

main:
    mov     x29, x30
    ldr     x0, =1 << 31 | 1 << 4           // RW, IMO
    msr     hcr_el2, x0
    // The EL2 physical timer's PPI in Group 1, priority 0, enabled; the CPU interface open.
    ldr     x1, =GICD
    mov     w0, #0x12                       // ARE, Group 1
    str     w0, [x1]
    ldr     x1, =GICR
    str     wzr, [x1, #0x14]                // GICR_WAKER
    ldr     x1, =GICR + 0x10000
    mov     w0, #1 << 26
    str     w0, [x1, #0x80]
    str     w0, [x1, #0x100]
    mov     x0, #0xff
    msr     icc_pmr_el1, x0
    mov     x0, #1
    msr     icc_igrpen1_el1, x0
    isb
    mov     x20, #0                         // interrupts taken
    msr     daifclr, #2

    .macro  start
    mrs     x1, cntpct_el0
    add     x1, x1, #400
    msr     cnthp_cval_el2, x1
    mov     x0, #ENABLE
    msr     cnthp_ctl_el2, x0
    isb
    .endm
    .macro  seen
    isb
    mov     x5, x20
    print   x5
    .endm

    start
1:  mrs     x0, cnthp_ctl_el2
    tbz     x0, #2, 1b              // ISTATUS
    seen
    start
1:  mrs     x0, cnthp_tval_el2
    tbz     x0, #31, 1b
    seen
    start
1:  mrs     x0, cntpct_el0
    cmp     x0, x1
    b.lo    1b
    seen
    ret     x29

taken:
    stp     x0, x1, [sp, #-16]!
    add     x20, x20, #1
    mrs     x0, icc_iar1_el1
    mov     x1, #ENABLE | IMASK
    msr     cnthp_ctl_el2, x1
    msr     icc_eoir1_el1, x0
    isb
    ldp     x0, x1, [sp], #16
    eret
    .ltorg
//= 1
//= 2
//= 3
