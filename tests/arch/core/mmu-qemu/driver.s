// Runs cases (record.ts writes them) at EL3 with its own translation off: sets the registers of EL1 and EL2,
// translates by AT, and notes PAR_EL1 and a CRC of the tables afterwards. Sizes and addresses are record.ts's.
        .arch   armv8.2-a+crc
        .equ    TABLES, 0x40000000
        .equ    AREA, 0x20000
        .equ    CLEARED, 0x100000
        .equ    CASES, 0x41000000
        .equ    RESULTS, 0x43000000

        .globl  _start
_start:
        adr     x0, vectors
        msr     vbar_el3, x0
        // Non-secure lower levels in AArch64, HVC; external aborts to EL3.
        mov     x0, #0x509
        msr     scr_el3, x0
        isb

        ldr     x0, =TABLES
        ldr     x1, =CLEARED
1:      stp     xzr, xzr, [x0], #16
        subs    x1, x1, #16
        b.ne    1b

        ldr     x19, =CASES
        ldr     x20, =RESULTS
        ldr     x21, [x19], #8              // cases left
case:
        cbz     x21, done
        sub     x21, x21, #1
        ldp     x0, x1, [x19], #16
        msr     sctlr_el1, x0
        msr     sctlr_el2, x1
        ldp     x0, x1, [x19], #16
        msr     tcr_el1, x0
        msr     tcr_el2, x1
        ldp     x0, x1, [x19], #16
        msr     ttbr0_el1, x0
        msr     ttbr1_el1, x1
        ldp     x0, x1, [x19], #16
        msr     ttbr0_el2, x0
        msr     s3_4_c2_c0_1, x1            // TTBR1_EL2
        ldp     x0, x1, [x19], #16
        msr     mair_el1, x0
        msr     mair_el2, x1
        ldp     x0, x1, [x19], #16
        orr     x0, x0, #1 << 31            // RW: EL1 is AArch64
        msr     hcr_el2, x0
        msr     vtcr_el2, x1
        ldp     x0, x22, [x19], #16         // x22: queries
        msr     vttbr_el2, x0
        ldr     x0, [x19], #8
        cbz     x0, 1f
        msr     s0_0_c4_c1_4, xzr           // MSR PAN, #1
        b       2f
1:      msr     s0_0_c4_c0_4, xzr           // MSR PAN, #0
2:      isb
        ldr     x24, =AREA
        add     x23, x19, x22, lsl #4       // the tables
query:
        cbz     x22, next
        sub     x22, x22, #1
        ldr     x0, =TABLES
        mov     x1, x23
        mov     x2, x24
1:      ldp     x3, x4, [x1], #16
        stp     x3, x4, [x0], #16
        subs    x2, x2, #16
        b.ne    1b
        dsb     sy
        tlbi    alle1
        tlbi    alle2
        dsb     sy
        isb
        ldp     x0, x1, [x19], #16          // kind of AT, address
        adr     x2, ops
        add     x2, x2, x0, lsl #3
        mov     x28, #0
        blr     x2
        isb
        mrs     x0, par_el1
        cbz     x28, 1f
        mov     x0, x28
1:      str     x0, [x20], #8
        ldr     x0, =TABLES
        mov     x2, x24
        mov     w5, #0
1:      ldr     x3, [x0], #8
        crc32x  w5, w5, x3
        subs    x2, x2, #8
        b.ne    1b
        str     x5, [x20], #8
        b       query
next:
        add     x19, x23, x24
        b       case

ops:    at      s1e1r, x1
        ret
        at      s1e1w, x1
        ret
        at      s1e0r, x1
        ret
        at      s1e0w, x1
        ret
        sys     #0, c7, c9, #0, x1          // AT S1E1RP
        ret
        sys     #0, c7, c9, #1, x1          // AT S1E1WP
        ret
        at      s12e1r, x1
        ret
        at      s12e1w, x1
        ret
        at      s12e0r, x1
        ret
        at      s12e0w, x1
        ret
        at      s1e2r, x1
        ret
        at      s1e2w, x1
        ret

done:
        // Semihosting: write the results to a file and exit.
        adr     x1, open
        mov     w0, #0x01
        hlt     #0xf000
        adr     x1, write
        str     x0, [x1]
        ldr     x2, =RESULTS
        sub     x2, x20, x2
        str     x2, [x1, #16]
        mov     w0, #0x05
        hlt     #0xf000
        adr     x1, exit
        mov     w0, #0x18
        hlt     #0xf000
        b       .

        // An external abort on a table: ESR_EL3 instead of PAR_EL1, marked in its top bit.
abort:  mrs     x28, esr_el3
        orr     x28, x28, #1 << 63
        mrs     x29, elr_el3
        add     x29, x29, #4
        msr     elr_el3, x29
        eret

        .align  3
name:   .asciz  "results.bin"
        .align  3
open:   .quad   name, 5, 11
write:  .quad   0, RESULTS, 0
exit:   .quad   0x20026, 0
        .ltorg

        .align  11
vectors:
        .rept   16
        b       abort
        .align  7
        .endr
