// Performance monitors: what is counted where, by INST_RETIRED and SW_INCR, overflow, its interrupt, resets,
// EL2's own counters, and filters by exception level.
// cpu: neoverse-n1
// qemu: -icount shift=0

#define OWN_HANDLER
#include "harness.S"

    .equ    INST_RETIRED, 0x08
    .equ    CHAIN, 0x1e
    .equ    U, 1 << 30
    .equ    P, 1 << 31
    .equ    NSH, 1 << 27
    .equ    GICR, 0x080a0000

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm
    .macro  printreg name
    mrs     x0, \name
    bl      show
    .endm

main:
    mov     x29, x30
    setreg  hcr_el2, (1 << 31)
    // What there is.
    mrs     x1, pmcr_el0
    ubfx    x1, x1, #11, #5         // N
    print   x1
    setreg  pmselr_el0, 0x3f
    printreg pmselr_el0
    setreg  pmuserenr_el0, -1
    printreg pmuserenr_el0
    setreg  pmevtyper3_el0, -1
    mrs     x1, pmevtyper3_el0
    ldr     x2, =0xc800ffff         // no other filters
    and     x1, x1, x2
    print   x1
    setreg  pmcntenset_el0, -1
    printreg pmcntenset_el0
    setreg  pmcntenclr_el0, 0x80000005
    printreg pmcntenclr_el0
    setreg  pmcntenclr_el0, -1
    setreg  pmintenset_el1, 0x12
    printreg pmintenclr_el1
    setreg  pmintenclr_el1, -1
    setreg  pmovsset_el0, 0x3
    setreg  pmovsclr_el0, 0x1
    printreg pmovsset_el0
    setreg  pmovsclr_el0, -1
    bl      newline

    // Instructions at EL2, counted only with NSH.
    setreg  pmevtyper0_el0, INST_RETIRED | NSH
    setreg  pmevtyper1_el0, INST_RETIRED
    setreg  pmevtyper2_el0, NSH             // SW_INCR
    setreg  pmcntenset_el0, 7
    setreg  pmcr_el0, 7
    isb
    mrs     x1, pmevcntr0_el0
    nop
    nop
    nop
    mov     x4, #5
1:  subs    x4, x4, #1
    b.ne    1b
    mrs     x2, pmevcntr0_el0
    sub     x2, x2, x1
    mrs     x3, pmevcntr1_el0
    setreg  pmswinc_el0, 6
    setreg  pmswinc_el0, 4
    mrs     x4, pmevcntr2_el0
    print   x2, x3, x4

    // Through PMSELR; overflow.
    msr     pmcr_el0, xzr
    mov     x0, #2
    msr     pmselr_el0, x0
    isb
    ldr     x0, =0xffffffff
    msr     pmxevcntr_el0, x0
    setreg  pmevtyper3_el0, CHAIN | NSH
    msr     pmevcntr3_el0, xzr
    setreg  pmcntenset_el0, 0xc
    setreg  pmcr_el0, 1
    setreg  pmswinc_el0, 4
    mrs     x1, pmevcntr2_el0
    mrs     x2, pmevcntr3_el0
    mrs     x3, pmovsclr_el0
    mrs     x4, pmxevtyper_el0
    print   x1, x3, x4              // (QEMU 7.2 has no CHAIN)

    // The interrupt of the overflow, PPI 7, while enabled.
    setreg  pmintenset_el1, 4
    isb
    ldr     x1, =GICR + 0x10200
    ldr     w2, [x1]
    ubfx    x2, x2, #23, #1
    setreg  pmovsclr_el0, -1
    isb
    ldr     w3, [x1]
    ubfx    x3, x3, #23, #1
    print   x2, x3

    // Instructions until an overflow.
    setreg  pmcr_el0, 0
    setreg  pmevtyper0_el0, INST_RETIRED | NSH
    ldr     x0, =0xfffffff0
    msr     pmevcntr0_el0, x0
    setreg  pmintenset_el1, 1
    setreg  pmcr_el0, 1
    isb
    mov     x4, #0
    ldr     x1, =GICR + 0x10200
1:  add     x4, x4, #1
    mrs     x2, pmevcntr0_el0       // QEMU looks for the overflow here
    mrs     x3, pmovsclr_el0
    cmp     x4, #20
    b.eq    2f
    cbz     x3, 1b
2:  print   x4, x3, x2
    setreg  pmcr_el0, 0
    setreg  pmovsclr_el0, -1

    // HPMN: counters from 4 on are EL2's, and count by HPME.
    setreg  mdcr_el2, 0x84
    mrs     x1, pmcr_el0
    ubfx    x1, x1, #11, #5
    print   x1
    setreg  pmevtyper4_el0, INST_RETIRED | NSH
    setreg  pmevtyper0_el0, INST_RETIRED | NSH
    setreg  pmcntenset_el0, 0x11
    msr     pmevcntr4_el0, xzr
    msr     pmevcntr0_el0, xzr
    isb
    nop
    nop
    mrs     x1, pmevcntr4_el0
    mrs     x2, pmevcntr0_el0
    print   x2
    cmp     x1, #3
    cset    x1, hs
    print   x1

    // At EL1: what it sees, and what its filter counts. HPMD keeps EL2 out.
    setreg  mdcr_el2, 4
    setreg  pmcntenclr_el0, -1
    setreg  pmcntenset_el0, 0x3f
    setreg  pmevtyper0_el0, INST_RETIRED | U
    setreg  pmevtyper1_el0, INST_RETIRED | P
    setreg  pmevtyper2_el0, INST_RETIRED
    setreg  pmevtyper3_el0, INST_RETIRED | NSH | U | P
    setreg  pmcr_el0, 3
    mov     x0, #(1 << 20)
    setreg  elr_el2, guest
    setreg  spsr_el2, 0x3c5
    isb
    eret
at_end:
    msr     pmcr_el0, xzr
    print   x1, x2, x3, x4
    mrs     x1, pmevcntr0_el0
    mrs     x2, pmevcntr1_el0
    mrs     x3, pmevcntr2_el0
    print   x1, x2, x3

    // Cycles: they pass, and PMCR_EL0.C clears them.
    setreg  pmccfiltr_el0, NSH
    setreg  pmcntenset_el0, 0x80000000
    setreg  pmcr_el0, 5
    isb
    mrs     x1, pmccntr_el0
    isb
    mrs     x2, pmccntr_el0
    cmp     x2, x1
    cset    x3, hi
    mov     x0, #-20
    msr     pmccntr_el0, x0
    isb
    mov     x0, #100
1:  subs    x0, x0, #1
    b.ne    1b
    mrs     x4, pmovsclr_el0
    print   x3, x4
    msr     pmcr_el0, xzr
    b       finish
    .ltorg

    .balign 64
guest:
    nop
    nop
    mrs     x1, pmcr_el0
    ubfx    x1, x1, #11, #5
    mrs     x2, pmcntenset_el0
    and     x2, x2, #15             // (QEMU 7.2 lets EL1 see EL2's)
    mrs     x3, pmevcntr5_el0
    ldr     x0, =guest0
    msr     elr_el1, x0
    mov     x0, #0x3c0
    msr     spsr_el1, x0
    mov     x0, #1
    msr     pmuserenr_el0, x0
    eret
guest0:
    nop
    mrs     x4, pmcntenset_el0
    and     x4, x4, #15
    nop
    nop
    svc     #0
    .ltorg

// SVC of EL0 comes to EL1's vector, and by its HVC here.
taken:
    mrs     x0, esr_el2
    ldr     x5, =0x5a00eeee
    cmp     x0, x5
    b.eq    at_end
    mov     x1, x0
    mrs     x2, elr_el2
    print   #0xbad, x1, x2
    b       finish
    .ltorg
