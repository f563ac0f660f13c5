// Where interrupts are taken: physical ones by HCR_EL2, exception level and masks, then virtual ones from list registers and
// HCR_EL2.{VI, VF, VSE}. A line has ISR_EL1 for physical ones, and the exception level and
// vector that it came to: that of SVC without an interrupt.

#define OWN_HANDLER
#include "harness.S"

    .equ    GICD, 0x08000000
    .equ    GICR, 0x080a0000
    .equ    SGI_BASE, 0x080b0000
    .equ    RW, 1 << 31
    .equ    FMO, 1 << 3
    .equ    IMO, 1 << 4
    .equ    AMO, 1 << 5
    .equ    VF, 1 << 6
    .equ    VI, 1 << 7
    .equ    VSE, 1 << 8
    .equ    TGE, 1 << 27
    .equ    E2H, 1 << 34
    .equ    PENDING, 1 << 62
    .equ    GROUP1, 1 << 60

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm
    .macro  store address, value
    ldr     x0, =\address
    ldr     w1, =\value
    str     w1, [x0]
    .endm

main:
    mov     x28, x30
    ldr     x0, =vectors2
    msr     vbar_el2, x0
    ldr     x0, =vectors1
    msr     vbar_el1, x0
    store   GICD, 0x53
    store   GICR + 0x14, 0
    store   SGI_BASE + 0x80, 0xfffffffb     // SGI 1 in Group 1, SGI 2 in Group 0
    store   SGI_BASE + 0x100, 0xffff
    setreg  icc_pmr_el1, 0xff
    setreg  icc_igrpen0_el1, 1
    setreg  icc_igrpen1_el1, 1

    ldr     x9, =controls
1:  ldr     x10, [x9], #8
    cbz     x10, 4f
    ldr     x11, =states
2:  ldr     x12, [x11], #8
    cbz     x12, 1b
    ubfx    x0, x12, #2, #2
    cmp     x0, #1
    b.ne    3f
    tbnz    x10, #27, 2b                    // no EL1 with TGE
3:  mov     x13, #2                         // IRQ, FIQ, both
    bl      physical
    mov     x13, #4
    bl      physical
    mov     x13, #6
    bl      physical
    bl      newline
    b       2b

4:  setreg  s3_4_c12_c11_0, 1               // ICH_HCR_EL2.En
    setreg  s3_4_c12_c11_7, 0xff080003      // ICH_VMCR_EL2: both groups, all priorities
    ldr     x9, =lists
5:  ldr     x10, [x9], #8
    cbz     x10, 7f
    ldp     x13, x14, [x9], #16
    ldr     x11, =guests
6:  ldr     x12, [x11], #8
    cbz     x12, 5b
    bl      virtual
    b       6b
7:  msr     s3_4_c12_c12_0, xzr
    ret     x28
    .ltorg

// A physical one: X10 HCR_EL2, X12 SPSR_EL2, X13 the SGIs that are pending.
physical:
    mov     x29, x30
    ldr     x0, =SGI_BASE
    str     w13, [x0, #0x200]
    msr     hcr_el2, x10
    isb
    mrs     x15, isr_el1
    bl      go
    ldr     x0, =SGI_BASE
    str     w13, [x0, #0x280]
    mov     x0, x15
    bl      show
    mov     x0, x23
    bl      show
    mov     x0, x24
    bl      show
    ret     x29

// Virtual ones: X13 and X14 list registers.
virtual:
    mov     x29, x30
    msr     s3_4_c12_c12_0, x13
    msr     s3_4_c12_c12_1, x14
    msr     hcr_el2, x10
    isb
    bl      go
    print   x23, x24
    ret     x29

// Goes on at `guest` with SPSR_EL2 = X12, until an exception.
go: mov     x27, x30
    ldr     x0, =guest
    msr     elr_el2, x0
    msr     spsr_el2, x12
    isb
    eret
guest:
    nop
    isb
    svc     #1
    b       .

taken:
    mrs     x24, esr_el2
    ldr     x23, =0x5a00eeee
    cmp     x24, x23
    mov     x23, #1
    mov     x24, x26
    b.eq    1f
    mov     x23, #2
    mov     x24, x25
1:  msr     spsel, #1
    ldr     x0, =stack_top
    mov     sp, x0
    ldr     x0, =RW
    msr     hcr_el2, x0
    isb
    br      x27
    .ltorg

    .balign 2048
vectors2:
    .set    n, 0
    .rept   16
    .balign 128
    mov     x25, #(n * 0x80)
    b       taken
    .set    n, n + 1
    .endr
    .balign 2048
vectors1:
    .set    n, 0
    .rept   16
    .balign 128
    mov     x26, #(n * 0x80)
    hvc     #0xeeee
    .set    n, n + 1
    .endr

    .data
    .balign 8
controls:
    .quad   RW, RW | FMO, RW | IMO, RW | FMO | IMO, RW | TGE, RW | E2H, RW | E2H | TGE, RW | E2H | TGE | FMO | IMO
    .quad   RW | FMO | IMO | AMO, RW | E2H | FMO | IMO, 0
states:
    .quad   0x305, 0x385, 0x345, 0x3c5, 0x304, 0x384, 0x300, 0x380, 0x340, 0x3c0, 0x309, 0x389, 0x349, 0x3c9, 0x308, 0x3c8, 0
// HCR_EL2 and two list registers.
lists:
    .quad   RW | IMO | FMO, PENDING | GROUP1 | (0x80 << 48) | 40, 0
    .quad   RW | IMO | FMO, PENDING | (0x80 << 48) | 40, 0
    .quad   RW, PENDING | GROUP1 | (0x80 << 48) | 40, 0
    .quad   RW | IMO | FMO, PENDING | GROUP1 | (0x80 << 48) | 40, PENDING | (0x90 << 48) | 41
    .quad   RW | IMO | FMO, PENDING | GROUP1 | (0x90 << 48) | 40, PENDING | (0x80 << 48) | 41
    .quad   RW | IMO | FMO | VI, 0, 0
    .quad   RW | IMO | FMO | VF, 0, 0
    .quad   RW | IMO | FMO | AMO | VSE, 0, 0
    .quad   RW | VI, 0, 0
    .quad   0
guests:
    .quad   0x205, 0x285, 0x245, 0x305, 0x2c5, 0x3c5, 0x200, 0x280, 0x240, 0x3c0, 0
