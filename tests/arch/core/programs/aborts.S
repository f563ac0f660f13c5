// Syndromes of aborts from EL1 and EL0: of both stages, of walks, of fetches, with and without ISV, and where
// HCR_EL2.TGE sends them. (QEMU 7.2 does not translate for cache maintenance, and gives the level of stage 1 for a
// fault of stage 2 on a walk: here they are the same.) A line: EL, ESR, FAR, HPFAR (where EL2 took it), ELR less the instruction's address.

#define OWN_HANDLER
#include "harness.S"

    .equ    EL1, 0x3c5
    .equ    EL0, 0x3c0
    .equ    UNMAPPED, 0x10000040
    .equ    VM, (1 << 31) | 1

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm

    // One instruction at EL1 or EL0; x1 is the address.
    .macro  guest spsr, address, insn:vararg
    ldr     x0, =9f
    ldr     x1, =resume
    str     x0, [x1]
    ldr     x1, =at
    ldr     x0, =8f
    str     x0, [x1]
    msr     elr_el2, x0
    setreg  spsr_el2, \spsr
    ldr     x1, =\address
    mov     x2, #0
    mov     x3, #3
    isb
    eret
    .balign 8
8:  \insn
    hvc     #1
    svc     #1
9:
    .endm

    // Fills a level-1 entry of a table.
    .macro  entry table, n, value
    ldr     x0, =\table
    ldr     x1, =\value
    str     x1, [x0, #8 * \n]
    .endm
    .macro  flush
    dsb     sy
    tlbi    vmalls12e1
    dsb     sy
    isb
    .endm

main:
    setreg  hcr_el2, VM
    setreg  cptr_el2, 0x33ff
    mov     x0, #(3 << 20)
    msr     cpacr_el1, x0
    // Stage 2: 39 bits from level 1, RAM only, one to one.
    setreg  vtcr_el2, 0x80053559
    ldr     x0, =stage2
    msr     vttbr_el2, x0
    entry   stage2, 1, 0x400007fd
    flush

    // Stage-2 translation faults of every kind of access.
    guest   EL1, UNMAPPED, ldrb w3, [x1]
    guest   EL1, UNMAPPED, ldrsb w4, [x1, #1]
    guest   EL1, UNMAPPED, ldrsb x5, [x1]
    guest   EL1, UNMAPPED, strh wzr, [x1, #2]
    guest   EL1, UNMAPPED, ldrsh x6, [x1, x2]
    guest   EL1, UNMAPPED, ldr w30, [x1]
    guest   EL1, UNMAPPED, ldrsw x7, [x1]
    guest   EL1, UNMAPPED, str x8, [x1, #8]
    guest   EL1, UNMAPPED, ldur x9, [x1, #-8]
    guest   EL1, UNMAPPED, ldtr x9, [x1]
    guest   EL1, UNMAPPED, sttrb w9, [x1]
    guest   EL1, UNMAPPED, ldr x9, [x1], #8
    guest   EL1, UNMAPPED, str w9, [x1, #8]!
    guest   EL1, UNMAPPED, ldp x3, x4, [x1]
    guest   EL1, UNMAPPED, stp w3, w4, [x1]
    guest   EL1, UNMAPPED, ldpsw x3, x4, [x1]
    guest   EL1, UNMAPPED, ldr q0, [x1]
    guest   EL1, UNMAPPED, str d0, [x1]
    guest   EL1, UNMAPPED, ld1 {v0.4s}, [x1]
    guest   EL1, UNMAPPED, ldxr w3, [x1]
    guest   EL1, UNMAPPED, ldar x3, [x1]
    guest   EL1, UNMAPPED, stlrb w3, [x1]
    guest   EL1, UNMAPPED, ldlar w3, [x1]
    guest   EL1, UNMAPPED, ldapr w3, [x1]
    guest   EL1, UNMAPPED, ldapur x3, [x1, #8]
    guest   EL1, UNMAPPED, ldapursb w3, [x1, #8]
    guest   EL1, UNMAPPED, stlur w3, [x1, #8]
    guest   EL1, UNMAPPED, ldadd x3, x4, [x1]
    guest   EL1, UNMAPPED, cas x3, x4, [x1]
    guest   EL1, UNMAPPED, swpb w3, w4, [x1]
    guest   EL0, UNMAPPED, ldr w3, [x1]
    guest   EL1, UNMAPPED, ret x1

    // A page of RAM that stage 2 lets be read only, written only, not executed, without AF, with an address too large.
    entry   stage2, 2, 0x4000077d
    flush
    guest   EL1, 0x80000000 + area, ldr w3, [x1]
    guest   EL1, 0x80000000 - 0x40000000 + area, str w3, [x1]
    guest   EL1, 0x40000000 + area, str w3, [x1, #4]!
    guest   EL1, 0x40000000 + area, ldadd w3, w4, [x1]
    entry   stage2, 2, 0x400007bd
    flush
    guest   EL1, 0x40000000 + area, ldrh w3, [x1]
    guest   EL1, 0x40000000 + area, swp w3, w4, [x1]
    entry   stage2, 2, 0x00400000400007fd
    flush
    guest   EL1, 0x40000000 + code, ret x1
    guest   EL1, 0x40000000 + area, ldr x3, [x1]
    entry   stage2, 2, 0x400003fd
    flush
    guest   EL1, 0x40000000 + area, ldr x3, [x1]
    guest   EL1, 0x40000000 + code, ret x1
    entry   stage2, 2, 0x100400007fd
    setreg  vtcr_el2, 0x80023559            // 40 bits of physical address
    flush
    guest   EL1, 0x40000000 + area, ldr x3, [x1]
    setreg  vtcr_el2, 0x80053559
    entry   stage2, 2, 0x400007fd
    flush

    // Stage 1 on: faults go to EL1, those of stage 2 on its walk to EL2.
    setreg  mair_el1, 0xff00
    setreg  tcr_el1, 0x5b5193519            // 39 bits in both halves
    setreg  ttbr1_el1, 0x10000000           // not in stage 2
    ldr     x0, =stage1
    msr     ttbr0_el1, x0
    entry   stage1, 1, 0x40000705           // EL1 only, AttrIndx 1
    entry   stage1, 2, 0x400007c5           // read-only
    entry   stage1, 4, 0x60000040000705     // execute-never
    entry   stage1, 5, 0x40000345           // no AF
    entry   stage1, 6, 0x100000705          // where stage 2 ends
    entry   stage1, 7, 0x40000745           // EL0 too, so that EL1 does not execute
    flush
    setreg  sctlr_el1, 0x30d01805
    guest   EL1, area, ldr w3, [x1]
    guest   EL1, 0x00000000, ldr w3, [x1]
    guest   EL1, 0x40000000 + area, str w3, [x1]
    guest   EL1, 0x40000000 + area, ldadd w3, w4, [x1]
    guest   EL1, 0xffffff8000000008, ldr w3, [x1]
    guest   EL1, 0xffffff8000000008, str w3, [x1]
    guest   EL1, 0xffffff8000000008, ret x1
    guest   EL1, 0xffffff8000000008, ldadd w3, w4, [x1]
    guest   EL1, 0xffffff8000000008, at s1e1r, x1
    guest   EL0, 0xffffff8000000008, ldr w3, [x1]
    guest   EL1, 0x100000000 + area, ret x1
    guest   EL1, 0x140000008, ldr w3, [x1]
    guest   EL1, 0x180000008, str x3, [x1]
    guest   EL1, 0x40000008, ldtr x3, [x1]
    guest   EL1, 0x1c0000000 + code, ret x1
    guest   EL1, 0x8000000000, ldr x3, [x1]
    guest   EL1, 0xffffffc000000000, ldr x3, [x1]
    guest   EL0, 0x40000008, ldr x3, [x1]
    guest   EL0, 0x1c0000000 + code, ret x1
    guest   EL0, 0x40000000 + area, str x3, [x1]
    guest   EL0, 0x00000010, ret x1
    guest   EL1, 0x4000000a, ret x1
    // HCR_EL2.TGE: EL0's faults are EL2's.
    setreg  hcr_el2, VM | (1 << 27)
    flush
    guest   EL0, 0x00000010, svc #3
    guest   EL0, 0x00000010, brk #3
    guest   EL0, 0x00000012, .inst 0
    guest   EL0, 0x00000012, mrs x3, vbar_el1
    b       finish
    .ltorg

taken:
    mrs     x19, esr_el2
    ldr     x20, =0x5a00eeee
    cmp     x19, x20
    b.eq    1f
    mrs     x20, far_el2
    mrs     x21, hpfar_el2
    mrs     x22, elr_el2
    mov     x23, #2
    // HPFAR and FAR say nothing but for aborts; HPFAR nothing but for stage 2.
    lsr     x0, x19, #26
    b       2f
1:  mrs     x19, esr_el1
    mrs     x20, far_el1
    mov     x21, #0
    mrs     x22, elr_el1
    mov     x23, #1
    lsr     x0, x19, #26
2:  cmp     x0, #0x20
    b.lo    3f
    cmp     x0, #0x25
    b.ls    4f
3:  mov     x20, #0
    mov     x21, #0
4:  ldr     x0, =at
    ldr     x0, [x0]
    sub     x22, x22, x0
    print   x23, x19, x20, x21, x22
    msr     hpfar_el2, xzr
    ldr     x0, =resume
    ldr     x0, [x0]
    br      x0
    .ltorg

    .balign 64
code:
    nop
    hvc     #2

    .data
    .balign 8
at: .quad   0
    .bss
    .balign 4096
stage1:
    .skip   4096
stage2:
    .skip   4096
area:
    .skip   4096
    .text
