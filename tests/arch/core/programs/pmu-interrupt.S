// The overflow interrupt of a counter that counts at EL1 only, and is set up at EL2: it comes while EL1 loops. QEMU 7.2
// does not foresee the overflow of INST_RETIRED.

#define OWN_HANDLER
#include "harness.S"

    .equ    GICD, 0x08000000
    .equ    GICR, 0x080a0000

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm

main:
    setreg  hcr_el2, (1 << 31) | (1 << 4)   // IMO
    // PPI 7 in Group 1, enabled, priority 0; the CPU interface open.
    ldr     x1, =GICD
    mov     w0, #0x12                       // ARE, Group 1
    str     w0, [x1]
    ldr     x1, =GICR
    ldr     w0, [x1, #0x14]
    and     w0, w0, #~2                     // GICR_WAKER.ProcessorSleep
    str     w0, [x1, #0x14]
    ldr     x1, =GICR + 0x10000
    mov     w0, #(1 << 23)
    str     w0, [x1, #0x80]
    str     w0, [x1, #0x100]
    mov     x0, #7
    msr     s3_4_c12_c9_5, x0               // ICC_SRE_EL2
    isb
    mov     x0, #0xff
    msr     s3_0_c4_c6_0, x0                // ICC_PMR_EL1
    mov     x0, #1
    msr     s3_0_c12_c12_7, x0              // ICC_IGRPEN1_EL1
    isb

    setreg  pmevtyper0_el0, 0x08            // INST_RETIRED at EL1 and EL0
    mov     x0, #-1000
    and     x0, x0, #0xffffffff
    msr     pmevcntr0_el0, x0
    setreg  pmintenset_el1, 1
    setreg  pmcntenset_el0, 1
    setreg  pmcr_el0, 1
    setreg  elr_el2, guest
    setreg  spsr_el2, 0x345                 // I clear
    mov     x4, #0
    isb
    eret

    .balign 64
guest:
    add     x4, x4, #1
    cmp     x4, #2000
    b.ne    guest
    hvc     #1

// 1000 instructions are 333 rounds; a look at the deadline comes each round.
taken:
    mrs     x1, tpidrro_el0
    sub     x2, x4, #333
    cmp     x2, #3
    cset    x2, ls
    mrs     x3, pmovsclr_el0
    mrs     x5, s3_0_c12_c12_0              // ICC_IAR1_EL1
    print   x1, x2, x3, x5
    b       finish
    .ltorg
//= 480 1 1 17
