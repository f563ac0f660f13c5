// Self-hosted debug of EL1 and EL0 by EL2 (MDCR_EL2.TDE): software step, breakpoints, watchpoints. (QEMU 7.2 looks at the
// wrong bit for the OS lock.) EL1 runs
// at `guest` with the MMU off; EL2 prints every exception, and steps on until HVC #1.

    .equ    SS, 1
    .equ    KDE, 1 << 13
    .equ    MDE, 1 << 15
    .equ    EL1, 0x3c5
    .equ    EL1_DEBUG, 0x1c5        // D clear
    .equ    EL0_DEBUG, 0x1c0
    .equ    SPSR_SS, 1 << 21

#define OWN_HANDLER
#include "harness.S"

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm

    // Runs from a place with SPSR until HVC #1, printing what comes between.
    .macro  guest place, spsr
    ldr     x0, =9f
    ldr     x1, =resume
    str     x0, [x1]
    setreg  elr_el2, \place
    setreg  spsr_el2, \spsr
    ldr     x1, =data
    mov     x0, #0
    isb
    eret
9:  print   #0xff
    .endm

    .macro  everything_off
    msr     mdscr_el1, xzr
    msr     dbgbcr0_el1, xzr
    msr     dbgbcr1_el1, xzr
    msr     dbgbcr5_el1, xzr
    msr     dbgwcr0_el1, xzr
    msr     dbgwcr3_el1, xzr
    .endm

main:
    msr     oslar_el1, xzr
    setreg  hcr_el2, (1 << 31)
    setreg  mdcr_el2, (1 << 8)
    setreg  cptr_el2, 0x33ff
    mov     x0, #(3 << 20)
    msr     cpacr_el1, x0
    everything_off

    // Step: five instructions, one of them a load-exclusive, one a branch to itself until told otherwise.
    setreg  mdscr_el1, SS | KDE
    guest   steps, EL1 | SPSR_SS
    // Without SPSR.SS the exception is pending at once.
    guest   steps, EL1
    guest   steps, EL0_DEBUG | SPSR_SS
    // Faults and SVC while stepping.
    guest   faults, EL1 | SPSR_SS

    // Breakpoints: on an address; for EL0 only; linked to a context; on an instruction that is never reached.
    everything_off
    setreg  mdscr_el1, MDE
    setreg  dbgbvr0_el1, (steps + 8)
    setreg  dbgbcr0_el1, 0x1e7
    guest   steps, EL1
    guest   steps, EL0_DEBUG
    setreg  dbgbcr0_el1, 0x1e5
    guest   steps, EL1
    guest   steps, EL0_DEBUG
    setreg  dbgbvr1_el1, (steps + 12)
    setreg  dbgbcr1_el1, 0x1501e7       // linked to 5
    setreg  dbgbvr5_el1, 0x1234
    setreg  dbgbcr5_el1, 0x3001e7
    setreg  contextidr_el1, 0x1234
    guest   steps, EL1
    setreg  contextidr_el1, 0x1235
    guest   steps, EL1
    // Breakpoint and step together.
    setreg  mdscr_el1, MDE | SS
    setreg  dbgbcr0_el1, 0x1e7
    guest   steps, EL1 | SPSR_SS

    // Watchpoints: bytes, loads or stores only, ranges.
    everything_off
    setreg  mdscr_el1, MDE
    setreg  dbgwvr0_el1, data
    setreg  dbgwcr0_el1, 0x1fff         // all 8 bytes, loads and stores, EL0 and EL1
    guest   accesses, EL1
    setreg  dbgwcr0_el1, (0x20 << 5) | 0x1f & ~0x10     // byte 5, loads
    guest   accesses, EL1
    setreg  dbgwcr0_el1, (0x30 << 5) | 0x1f & ~8        // bytes 4 and 5, stores
    guest   accesses, EL1
    setreg  dbgwcr0_el1, 0
    setreg  dbgwvr3_el1, (data + 0x40)
    setreg  dbgwcr3_el1, (6 << 24) | 0x1fff
    guest   accesses, EL1
    setreg  dbgwcr3_el1, (6 << 24) | 0x1ffd             // EL0's
    guest   accesses, EL1
    guest   accesses, EL0_DEBUG
    setreg  dbgwcr3_el1, (0xff << 5) | 0x1d
    guest   unprivileged, EL1
    b       finish
    .ltorg

    .balign 64
steps:
    mov     x3, #1
    ldxr    x4, [x1]
    nop
    bl      1f
    hvc     #1
1:  ldaxrb  w4, [x1]
    tbnz    x3, #0, 2f
2:  ret

    .balign 64
faults:
    .inst   0
    brk     #3
    svc     #5
    ldr     x5, [x30]
    hvc     #1

    .balign 64
accesses:
    ldr     x3, [x1]
    strb    w3, [x1, #5]
    ldrb    w3, [x1, #4]
    str     w3, [x1, #8]
    ldp     x3, x4, [x1, #-8]
    stp     q0, q1, [x1, #0x30]
    ldr     x3, [x1, #0x78]
    ldr     x3, [x1, #0x80]
    ldadd   w3, w4, [x1, #0]
    ldp     d0, d1, [x1, #0x38]
    nop
    hvc     #1

    .balign 64
unprivileged:
    ldr     x3, [x1, #0x40]
    ldtr    x3, [x1, #0x40]
    sttrb   w3, [x1, #0x42]
    hvc     #1

// At EL2: prints EL, ESR, ELR - steps, FAR where it is of a watchpoint, SPSR; then steps on or skips.
taken:
    mov     x18, x30
    mrs     x19, esr_el2
    ldr     x20, =0x5a000001
    cmp     x19, x20
    b.eq    out
    ldr     x20, =0x5a00eeee        // from EL1's vectors, where nothing comes back from
    cmp     x19, x20
    b.eq    lost
    mrs     x21, elr_el2
    mrs     x22, spsr_el2
    lsr     x23, x19, #26
    ldr     x20, =steps
    sub     x20, x21, x20
    print   x19, x20, x22
    sub     x0, x23, #0x34          // watchpoint: its address too, and on behind the instruction
    cbz     x0, 1f
    cmp     x23, #0x32              // step: on
    b.eq    2f
    cmp     x23, #0x15              // SVC: on
    b.eq    3f
    b       4f
1:  mrs     x0, far_el2
    ldr     x24, =data
    sub     x0, x0, x24
    print   x0
4:  add     x21, x21, #4
    msr     elr_el2, x21
2:  ldr     x0, =steps + 16         // EL0 cannot HVC
    cmp     x21, x0
    b.eq    out
    tst     x22, #12
    b.ne    3f
    ldr     x0, =accesses + 44
    cmp     x21, x0
    b.eq    out
3:  mrs     x0, mdscr_el1
    tbz     x0, #0, 5f
    orr     x22, x22, #SPSR_SS
5:  msr     spsr_el2, x22
    ldr     x1, =data
    mov     x30, x18
    isb
    eret
lost:
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    print   #0xbad, x1, x2
out:
    ldr     x0, =resume
    ldr     x0, [x0]
    br      x0
    .ltorg

    .bss
    .balign 64
    .skip   64
data:
    .skip   256
    .text
