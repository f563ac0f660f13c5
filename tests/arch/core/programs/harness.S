// What the programs here are linked with: they start at `main` at EL2 of a "virt" machine with the MMU off, print
// lines of hexadecimal numbers by `print`, and come back to end. Every exception goes to `taken`; unless a program has
// its own (OWN_HANDLER) that prints EL, vector, ESR, FAR, ELR - `code` and SPSR, and goes on at `resume` at EL2.

    .arch   armv8.5-a+rng
    .equ    UART, 0x09000000

    // Prints registers or constants as one line.
    .macro  print first, rest:vararg
    .ifnb   \first
    mov     x0, \first
    bl      show
    print   \rest
    .else
    bl      newline
    .endif
    .endm

    .text
    .globl  _start
_start:
    ldr     x0, =stack_top
    msr     spsel, #1
    mov     sp, x0
    ldr     x0, =vectors
    msr     vbar_el2, x0
    msr     vbar_el1, x0
    bl      main
finish:
    ldr     x0, =0x84000008
    smc     #0
    b       .

// x0 as hexadecimal digits and a space. Keeps every register but x0.
show:
    stp     x1, x2, [sp, #-32]!
    stp     x3, x30, [sp, #16]
    mov     x1, x0
    ldr     x3, =UART
    mov     x2, #64
1:  sub     x2, x2, #4              // the leading digit
    lsr     x0, x1, x2
    cbnz    x0, 2f
    cbnz    x2, 1b
2:  lsr     x0, x1, x2
    and     w0, w0, #15
    add     w0, w0, #48
    cmp     w0, #58
    b.lt    3f
    add     w0, w0, #39
3:  str     w0, [x3]
    sub     x2, x2, #4
    tbz     x2, #63, 2b
    mov     w0, #32
    str     w0, [x3]
    ldp     x3, x30, [sp, #16]
    ldp     x1, x2, [sp], #32
    ret

newline:
    str     x1, [sp, #-16]!
    mov     w0, #10
    ldr     x1, =UART
    str     w0, [x1]
    ldr     x1, [sp], #16
    ret

    .balign 2048
vectors:
    .set    n, 0
    .rept   16
    .balign 128
    msr     tpidr_el0, x0
    mov     x0, #(n * 0x80)
    msr     tpidrro_el0, x0
    b       enter
    .set    n, n + 1
    .endr

// An exception at EL1 goes on to EL2, where HVC #0xeeee says so. x0 is in TPIDR_EL0, the vector in TPIDRRO_EL0.
enter:
    mrs     x0, CurrentEL
    cmp     x0, #8
    b.eq    1f
    mrs     x0, tpidr_el0
    hvc     #0xeeee
1:  mrs     x0, tpidr_el0
    b       taken

#ifndef OWN_HANDLER
taken:
    ldr     x0, =stack_top
    mov     sp, x0
    mrs     x19, esr_el2
    ldr     x20, =0x5a00eeee
    cmp     x19, x20
    b.eq    1f
    mrs     x20, far_el2
    mrs     x21, elr_el2
    mrs     x22, spsr_el2
    mov     x23, #2
    b       2f
1:  mrs     x19, esr_el1
    mrs     x20, far_el1
    mrs     x21, elr_el1
    mrs     x22, spsr_el1
    mov     x23, #1
2:  // Only stage 2 gives a syndrome with ISV (and what follows from it); QEMU gives it for stage 1 of EL2 too.
    lsr     x0, x19, #26
    cmp     x0, #0x25
    b.ne    3f
    and     x19, x19, #~0x01ffc000
3:  mrs     x24, tpidrro_el0
    ldr     x0, =code
    sub     x21, x21, x0
    print   x23, x24, x19, x20, x21, x22
    ldr     x0, =resume
    ldr     x0, [x0]
    br      x0

#endif

    .data
    .balign 8
    .globl  resume
resume: .quad 0
    .bss
    .balign 16
    .skip   0x4000
stack_top:
    .text
