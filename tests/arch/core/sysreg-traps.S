// Runs one instruction at EL1 or EL0 under each of many settings of the trap controls and prints where it was taken
// and with what syndrome. Starts at EL2 of a "virt" machine; `cases` and `count` come from record-sysreg-traps.ts.

    .arch   armv8.2-a
    .equ    UART, 0x09000000
    .equ    DONE_EL1, 1
    .equ    DONE_EL0, 2
    .equ    FROM_EL1, 3

    .text
    .globl  _start
_start:
    ldr     x0, =stack
    mov     sp, x0
    ldr     x0, =vectors2
    msr     vbar_el2, x0
    ldr     x19, =cases
    ldr     x20, =count
    ldr     x20, [x20]
next:
    cbz     x20, finish
    sub     x20, x20, #1
    mov     x0, #(1 << 31)
    msr     hcr_el2, x0
    isb
    ldr     x0, =vectors1
    msr     vbar_el1, x0
    ldr     x0, [x19, #8 * 3]
    msr     mdcr_el2, x0
    ldr     x0, [x19, #8 * 6]
    msr     sctlr_el1, x0
    ldr     x0, [x19, #8 * 7]
    msr     sctlr_el2, x0
    ldr     x0, [x19, #8 * 8]
    msr     cpacr_el1, x0
    ldr     x0, [x19, #8 * 9]
    msr     cntkctl_el1, x0
    ldr     x0, [x19, #8 * 10]
    msr     mdscr_el1, x0
    ldr     x0, [x19, #8 * 11]
    msr     S3_4_C12_C11_0, x0
    msr     tcr_el1, xzr
    msr     oslar_el1, xzr
    // These two have a format for each value of E2H.
    ldr     x0, [x19, #8 * 2]
    msr     hcr_el2, x0
    isb
    ldr     x0, [x19, #8 * 4]
    msr     cptr_el2, x0
    ldr     x0, [x19, #8 * 5]
    msr     cnthctl_el2, x0

    ldr     x2, =code
    ldr     w0, [x19]
    str     w0, [x2]
    ldr     x3, [x19, #8 * 1]
    ldr     w0, =0xd4000002 | (DONE_EL1 << 5)
    tst     x3, #0xc
    b.ne    1f
    ldr     w0, =0xd4000001 | (DONE_EL0 << 5)
1:  str     w0, [x2, #4]
    dc      cvau, x2
    dsb     sy
    ic      iallu
    dsb     sy
    isb
    msr     elr_el2, x2
    msr     spsr_el2, x3
    mov     x0, #0
    ldr     x1, =scratch
    eret

taken2:
    // Line: EL that took it, its ESR, its SPSR, PSTATE on entry to EL1 where that is it.
    mrs     x21, esr_el2
    mrs     x22, spsr_el2
    mov     x23, #2
    mov     x24, #0
    mov     x0, #(1 << 31)
    msr     hcr_el2, x0
    isb
    ldr     x0, =0x5a000000 | FROM_EL1
    cmp     x21, x0
    b.ne    2f
    mov     x24, x22
    mrs     x21, esr_el1
    mrs     x22, spsr_el1
    mov     x23, #1
2:  mov     x0, x23
    bl      hex
    mov     x0, x21
    bl      hex
    mov     x0, x22
    bl      hex
    mov     x0, x24
    bl      hex
    mov     w0, #10
    bl      putc
    add     x19, x19, #8 * 12
    b       next

finish:
    ldr     x0, =0x84000008
    smc     #0
    b       .

hex:
    mov     x4, x30
    mov     x5, x0
    mov     x6, #32
3:  sub     x6, x6, #4
    lsr     x0, x5, x6
    and     w0, w0, #15
    add     w0, w0, #48
    cmp     w0, #58
    b.lt    4f
    add     w0, w0, #39
4:  bl      putc
    cbnz    x6, 3b
    mov     w0, #32
    bl      putc
    ret     x4

putc:
    ldr     x7, =UART
    str     w0, [x7]
    ret

    .macro  vector target
    .balign 128
    \target
    .endm

    .balign 2048
vectors1:
    .rept   16
    vector  "hvc #FROM_EL1"
    .endr
    .balign 2048
vectors2:
    .rept   16
    vector  "b taken2"
    .endr

    .balign 64
code:
    .skip   64
    .data
    .balign 64
scratch:
    .skip   4096
    .skip   4096
stack:
