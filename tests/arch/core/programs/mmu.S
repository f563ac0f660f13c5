// Turns on EL2's stage 1 (HCR_EL2.E2H = 0): 1 GiB blocks, one to one, devices below RAM.
mmu_on:
    ldr     x0, =tables
    mov     x1, #0x401              // block, AF, AttrIndx 0
    str     x1, [x0]
    ldr     x1, =0x40000705         // block, AF, inner shareable, AttrIndx 1
    str     x1, [x0, #8]
    msr     ttbr0_el2, x0
    mov     x1, #0xff00
    msr     mair_el2, x1
    ldr     x1, =0x80853519         // RES1, PS 48 bits, 4 KiB, inner shareable write-back tables, T0SZ 25
    msr     tcr_el2, x1
    isb
    tlbi    alle2
    dsb     sy
    isb
    mrs     x1, sctlr_el2
    mov     x0, #0x1005             // I, C, M
    orr     x1, x1, x0
    msr     sctlr_el2, x1
    isb
    ret
    .ltorg

    .bss
    .balign 4096
tables:
    .skip   4096
    .text
