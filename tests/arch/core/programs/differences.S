// Where QEMU 7.2 is not the architecture (DDI 0487), or chooses otherwise. A line for each: what the manual wants is the
// //= line in front of it; record.ts keeps what QEMU printed as well. The tests are named by the //# lines.

#define OWN_HANDLER
#include "harness.S"

    .equ    RW, 1 << 31
    .equ    TGE, 1 << 27
    .equ    EL1, 0x3c5
    .equ    EL0, 0x3c0
    .equ    SS, 1 << 21
    .equ    SCTLR1, 0x30d00800              // MMU off, nTWE, nTWI; SPAN
    .equ    NORMAL, 0x705                   // block: AF, inner shareable, AttrIndx 1

    .macro  setreg name, value
    ldr     x0, =\value
    msr     \name, x0
    .endm
    .macro  entry table, n, value
    ldr     x0, =\table
    ldr     x1, =\value
    str     x1, [x0, #8 * \n]
    .endm
    .macro  flush
    dsb     sy
    tlbi    alle1
    dsb     sy
    isb
    .endm

    .macro  resume_at label
    ldr     x0, =resume
    ldr     x1, =\label
    str     x1, [x0]
    .endm

    // Instructions at EL2, X1 being an address. X19: ESR of an exception, or 0.
    .macro  at2 insn:vararg
    ldr     x0, =resume
    ldr     x1, =9f
    str     x1, [x0]
    ldr     x1, =area
    mov     x19, #0
    \insn
9:
    .endm

    // The last WFE of each has no event.
    .macro  wfe2
    wfe
    wfe
    .endm

    .macro  wfe3
    wfe
    sevl
    wfe2
    .endm

    // The same at EL1 or EL0, up to the first exception: HVC #1, or SVC #1 at EL0. X1 is `address`.
    .macro  at1 spsr, address, insn:vararg
    ldr     x0, =9f
    ldr     x1, =resume
    str     x0, [x1]
    ldr     x0, =8f
    msr     elr_el2, x0
    setreg  spsr_el2, \spsr
    ldr     x1, =\address
    mov     x2, #0
    mov     x3, #0
    isb
    eret
    .balign 8
8:  \insn
    .if     ((\spsr) & 12)
    hvc     #1
    .else
    svc     #1
    .endif
9:
    .endm

    // Back to EL1 without an MMU and traps.
reset:
    setreg  hcr_el2, RW
    setreg  sctlr_el1, SCTLR1
    setreg  cptr_el2, 0x33ff
    setreg  cpacr_el1, 3 << 20
    msr     mdcr_el2, xzr
    msr     mdscr_el1, xzr
    msr     cntkctl_el1, xzr
    setreg  cnthctl_el2, 3
    msr     tcr_el1, xzr
    msr     vttbr_el2, xzr
    flush
    ret
    .ltorg

    // Stage 1 of EL1&0: 39 bits from level 1 (or as TCR_EL1 says), RAM one to one as Normal memory. AttrIndx 0: Device-nGnRnE,
    // 2: Non-cacheable, 3: Device-GRE.
stage1_on:
    setreg  mair_el1, 0x0c44ff00
    setreg  tcr_el1, 0x280803519            // T0SZ 25, EPD1, IPS 40 bits
    ldr     x0, =stage1
    msr     ttbr0_el1, x0
    entry   stage1, 1, 0x40000000 + NORMAL
    setreg  sctlr_el1, SCTLR1 | 1
    flush
    ret
    .ltorg

    // Stage 2: 39 bits from level 1, RAM one to one. Takes HCR_EL2.VM.
stage2_on:
    setreg  vtcr_el2, 0x80023559
    ldr     x0, =stage2
    msr     vttbr_el2, x0
    entry   stage2, 1, 0x400007fd
    setreg  hcr_el2, RW | 1
    flush
    ret
    .ltorg

main:
    ldr     x0, =vectors2
    msr     vbar_el2, x0
    ldr     x0, =vectors1
    msr     vbar_el1, x0
    msr     oslar_el1, xzr
    bl      reset

//# NZCV stay as they are where an exception is taken (AArch64.TakeException); QEMU clears them
//= f0000000
    at1     EL1 | (15 << 28), 0, svc #0
    print   x26

//# PSTATE.DIT stays as it is where an exception is taken (AArch64.TakeException); QEMU clears it
//= 1000000
    at1     EL1 | (1 << 24), 0, svc #0
    print   x27

//# an illegal return takes PSTATE.PAN from SPSR (SetPSTATEFromPSR); QEMU leaves it
//= 3a000000 400000
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    setreg  elr_el2, code
    setreg  spsr_el2, 0x4003cd              // EL3
    eret
1:  and     x22, x22, #(1 << 22)
    print   x19, x22

//# an illegal return to AArch64 drops the tag of ELR (AArch64.ExceptionReturn, AArch64.BranchAddr); QEMU keeps it
//= 0
    setreg  tcr_el2, 1 << 20
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    ldr     x0, =code + (0x5a << 56)
    msr     elr_el2, x0
    setreg  spsr_el2, 0x3cd
    eret
1:  lsr     x21, x21, #56
    msr     tcr_el2, xzr
    print   x21

//# WFE without an event traps from EL0 to EL1 where SCTLR_EL1.nTWE is 0 (AArch64.CheckForWFxTrap); QEMU never traps WFE
//= 1 7e00001 4
    setreg  sctlr_el1, SCTLR1 & ~(1 << 18)
    adr     x4, 8f
    // The first one takes the event of the exception return (SendEventLocal).
    at1     EL0, 0, wfe2
    sub     x21, x21, x4
    print   x23, x19, x21
    bl      reset

//# WFE without an event traps from EL1 to EL2 where HCR_EL2.TWE is 1 (AArch64.CheckForWFxTrap); QEMU never traps WFE
//= 2 7e00001 c
    setreg  hcr_el2, RW | (1 << 14)
    adr     x4, 8f
    at1     EL1, 0, wfe3
    sub     x21, x21, x4
    print   x23, x19, x21
    bl      reset

//# a trapped MSR DAIFSet has op1 in ISS[16:14] and op2 in ISS[19:17] (AArch64.SystemAccessTrapSyndrome); QEMU exchanges them
//= 1 620cd3e8
    at1     EL0, 0, msr daifset, #4
    print   x23, x19

//# a trapped MSR DAIFClr, the same
//= 1 620ed3e2
    at1     EL0, 0, msr daifclr, #1
    print   x23, x19

//# the _EL12 names are UNDEFINED at EL2 where HCR_EL2.E2H is 0 (SCTLR_EL1, accessor of SCTLR_EL12); QEMU reads the register
//= 2000000
    at2     mrs x3, S3_5_C1_C0_0
    print   x19

//# the IMPLEMENTATION DEFINED encodings at EL1 trap where HCR_EL2.TIDCP is 1 (D17.2, HCR_EL2); on QEMU they are UNDEFINED
//= 2 6231fc61
    setreg  hcr_el2, RW | (1 << 20)
    at1     EL1, 0, mrs x3, S3_7_C15_C0_0
    print   x23, x19
    bl      reset

//# SYS with CRn = 11 at EL1, the same
//= 2 6214eca2
    setreg  hcr_el2, RW | (1 << 20)
    at1     EL1, 0, sys #3, c11, c1, #2, x5
    print   x23, x19
    bl      reset

//# EL0 reading MDCCSR_EL0 traps to EL1 where MDSCR_EL1.TDCC is 1 (D17.3, MDSCR_EL1); QEMU has no TDCC
//= 1 6220c063
    setreg  mdscr_el1, 1 << 12
    at1     EL0, 0, mrs x3, mdccsr_el0
    print   x23, x19
    bl      reset

//# PMCR_EL0 at EL1 traps to EL2 where MDCR_EL2.TPMCR is 1 (D17.3, MDCR_EL2); QEMU has no TPMCR
//= 2 6230e479
    setreg  mdcr_el2, 1 << 5
    at1     EL1, 0, mrs x3, pmcr_el0
    print   x23, x19
    bl      reset

//# CNTPCT_EL0 at EL0 traps to EL2 where CNTHCTL_EL2.EL1PCTEN is 0, whatever EL1PCEN is (accessor of CNTPCT_EL0); QEMU looks at EL1PCEN
//= 2 6232f861
    setreg  cntkctl_el1, 1
    setreg  cnthctl_el2, 2
    at1     EL0, 0, mrs x3, cntpct_el0
    print   x23, x19
    bl      reset

//# DBGCLAIMSET_EL1 reads as ones (D17.3, DBGCLAIMSET_EL1); QEMU does not have it
//= 0 ff
    mov     x3, #0
    at2     mrs x3, dbgclaimset_el1
    print   x19, x3

//# EL1 sees only the event counters below MDCR_EL2.HPMN (PMCNTENSET_EL0); QEMU shows it EL2's
//= 3
    setreg  mdcr_el2, 2
    setreg  pmcntenset_el0, 15
    at1     EL1, 0, mrs x3, pmcntenset_el0
    and     x3, x3, #15
    print   x3
    setreg  mdcr_el2, 6
    setreg  pmcntenclr_el0, -1
    bl      reset

    b       floating
    .ltorg

floating:
//# FCVTZS to a half in a SIMD&FP register clears the bits above it (V[] accessors); QEMU leaves the sign in bits 31:16
//= fffe
    mov     w0, #0xbc00
    fmov    s1, w0
    .inst   0x5f1ffc20                      // fcvtzs h0, h1, #1
    fmov    x3, d0
    print   x3

//# FJCVTZS of a subnormal that FPCR.FZ flushes is not exact (FPToFixedJS); QEMU sets PSTATE.Z
//= 0 80
    mov     x0, #1
    fmov    d1, x0
    mov     x0, #(1 << 24)
    msr     fpcr, x0
    msr     fpsr, xzr
    .inst   0x1e7e0020                      // fjcvtzs w0, d1
    mrs     x3, nzcv
    mrs     x4, fpsr
    msr     fpcr, xzr
    print   x3, x4

//# an access to Device memory that is not aligned faults (AArch64.S1HasAlignmentFault), as all is with stage 1 off; not on QEMU
//= 96000021
    at2     ldr x3, [x1, #4]
    print   x19

//# DC ZVA of Device memory is an Alignment fault (C5.3, DC ZVA); QEMU zeroes it
//= 96000061
    at2     dc zva, x1
    and     x19, x19, #~0x100               // (CM)
    print   x19

//# SP as a base must be aligned where SCTLR_ELx.SA is 1 (CheckSPAlignment); QEMU does not look
//= 9a000000
    mrs     x0, sctlr_el2
    orr     x0, x0, #8
    msr     sctlr_el2, x0
    isb
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    mov     x19, #0
    ldr     x0, =area + 8
    mov     sp, x0
    ldr     x3, [sp]
1:  ldr     x0, =stack_top
    mov     sp, x0
    mrs     x0, sctlr_el2
    bic     x0, x0, #8
    msr     sctlr_el2, x0
    isb
    print   x19

    bl      stage1_on

//# LDAPR must be aligned without FEAT_LSE2 (B2.5.2, AArch64.UnalignedAccessFaults); QEMU loads
//= 1 96000021
    at1     EL1, area + 4, ldapr x3, [x1]
    print   x23, x19

//# STXR looks at the address before it looks at the monitor (AArch64.ExclusiveMonitorsPass); QEMU the other way round, as it may
//= 1 96000061
    at1     EL1, area + 4, stxr w2, x3, [x1]
    print   x23, x19

//# a misaligned PC comes before the Instruction Abort of its address (D1.3.5); QEMU finds the abort first
//= 1 8a000000
    at1     EL1, 0x10000002, br x1
    print   x23, x19

//# DC CVAC of an address that is not mapped is a Data Abort with CM and WnR (AArch64.DC); QEMU does not translate
//= 1 96000145
    at1     EL1, 0x10000000, dc cvac, x1
    print   x23, x19

//# ISV is 0 for faults of stage 1 (D17.2.37, ISS of a Data Abort); QEMU gives EL2's own
//= 0
    ldr     x0, =resume
    ldr     x1, =1f
    str     x1, [x0]
    ldr     x1, =0x1000000000000
    ldr     w3, [x1]
1:  ubfx    x19, x19, #14, #11
    print   x19

//# PAR_EL1.SH is 0b10 for Device memory (AArch64.PAREncodeShareability); QEMU gives the descriptor's
//= 100
    entry   stage1, 2, 0x40000401
    flush
    at1     EL1, 0x80000000, at s1e1r, x1
    mrs     x3, par_el1
    and     x3, x3, #0x180
    print   x3

//# PAR_EL1.SH is 0b10 for Normal Non-cacheable memory (AArch64.PAREncodeShareability); QEMU gives the descriptor's
//= 100
    entry   stage1, 2, 0x40000709
    flush
    at1     EL1, 0x80000000, at s1e1r, x1
    mrs     x3, par_el1
    and     x3, x3, #0x180
    print   x3

//# what hardware may make writable is writable for WXN (AArch64.S1ApplyOutputPerms); QEMU executes it
//= 1 8600000d
    setreg  tcr_el1, 0x280803519 | (3 << 39) // HA, HD
    setreg  sctlr_el1, SCTLR1 | 1 | (1 << 19)
    entry   stage1, 1, 0x40000785           // AP[2]
    entry   stage1, 2, 0x0008000040000785   // and DBM
    flush
    at1     EL1, 0x40000000 + code, br x1
    print   x23, x19

//# AT leaves dirty state alone (AArch64.S1Translate, AccType_AT); QEMU sets it
//= 80
    setreg  sctlr_el1, SCTLR1 | 1
    flush
    at1     EL1, 0x80000000, at s1e1w, x1
    ldr     x0, =stage1
    ldr     x3, [x0, #16]
    and     x3, x3, #0x80
    print   x3

//# a block at level 1 of the 16 KiB granule is not valid (AArch64.BlockDescSupported); QEMU takes it
//= 80b
    ldr     x0, =wide
    msr     ttbr0_el1, x0
    setreg  tcr_el1, 0x28080b510 | 17
    entry   wide, 0, NORMAL
    flush
    ldr     x1, =0x10000
    at      s1e1r, x1
    mrs     x3, par_el1
    print   x3
    b       stages
    .ltorg

stages:
    bl      reset
    bl      stage1_on

//# with HCR_EL2.TGE stage 1 of EL1&0 is off (AArch64.S1Enabled); for AT QEMU leaves it on
//= 0
    setreg  hcr_el2, RW | TGE
    flush
    ldr     x1, =0x10000000
    at      s1e1r, x1
    mrs     x3, par_el1
    and     x3, x3, #1
    print   x3

//# HCR_EL2.PTW is about stage 2 of a walk and nothing where stage 2 is off (AArch64.S2Translate); QEMU heeds it
//= 0
    setreg  hcr_el2, RW | 4
    flush
    ldr     x1, =area
    at      s1e1r, x1
    mrs     x3, par_el1
    and     x3, x3, #1
    print   x3
    bl      reset

    bl      stage1_on
    bl      stage2_on
//# a fault of stage 2 on a walk of stage 1 has stage 2's level (AArch64.S2Translate); QEMU gives stage 1's
//= 2 92000085
    entry   stage1, 4, 0x10000003           // a table of level 2 where stage 2 ends at level 1
    flush
    at1     EL1, 0x100000000, ldr x3, [x1]
    print   x23, x19

//# an external abort on a walk of stage 2 has no syndrome of the access (ESR_ELx.ISV, with FEAT_RAS); QEMU gives it
//= 2 92000016
    entry   stage2, 4, 0x800000003          // a table where nothing is
    entry   stage1, 4, 0x100000000 + NORMAL
    flush
    at1     EL1, 0x100000000, ldr x3, [x1]
    print   x23, x19
    entry   stage2, 4, 0

//# LDADD finds the permission fault of stage 1 before a fault of stage 2 (AArch64.TranslateAddress); QEMU reads first
//= 1 9600004d
    entry   stage1, 5, 0x100000785          // read-only, where stage 2 ends
    flush
    at1     EL1, 0x140000000, ldadd x2, x3, [x1]
    print   x23, x19

//# Device-GRE of stage 1 and Non-cacheable of stage 2 are Device-GRE (S2CombineS1Device); QEMU makes nGnRE of it
//= c
    entry   stage1, 2, 0x4000040d           // AttrIndx 3
    entry   stage2, 1, 0x400007d5           // MemAttr 0b0101
    flush
    ldr     x1, =0x80000000
    at      s12e1r, x1
    mrs     x3, par_el1
    lsr     x3, x3, #56
    print   x3
    bl      reset

//# software step is inactive once the stepped instruction has masked it (D2.12.3); QEMU takes the step
//= 2 5a000001
    setreg  mdscr_el1, 0x2001               // KDE, SS
    at1     (EL1 & ~0x200) | SS, 0, msr daifset, #8
    print   x23, x19
    bl      reset

//# DC CVAP has no watchpoint (D2.10); on QEMU it does
//= 2 5a000001
    setreg  mdcr_el2, 1 << 8                // TDE
    setreg  mdscr_el1, 0x8000               // MDE
    setreg  dbgwvr0_el1, area
    setreg  dbgwcr0_el1, 0x1ffb
    at1     EL1, area, dc cvap, x1
    print   x23, x19
    msr     dbgwcr0_el1, xzr
    bl      reset

//# DC IVAC meets watchpoints as a store of the cache line (AArch64.DC, AArch64.CheckWatchpoint); on QEMU it does not
//= 2 d2000162
    setreg  mdcr_el2, 1 << 8
    setreg  mdscr_el1, 0x8000
    setreg  dbgwvr0_el1, area + 32
    setreg  dbgwcr0_el1, 0x1ff3             // stores at EL1
    at1     EL1, area + 4, dc ivac, x1
    print   x23, x19
    msr     dbgwcr0_el1, xzr
    bl      reset

//# the interrupt of an overflow does not need its counter enabled (AArch64.CheckForPMUOverflow); QEMU looks at it elsewhere
//= 800000
    setreg  mdcr_el2, 6
    setreg  pmintenset_el1, 1
    setreg  pmovsset_el0, 1
    setreg  pmcr_el0, 1
    setreg  pmcntenclr_el0, -1
    isb
    ldr     x0, =0x080b0200                 // GICR_ISPENDR0
    ldr     w3, [x0]
    and     x3, x3, #(1 << 23)
    print   x3
    msr     pmcr_el0, xzr
    setreg  pmovsclr_el0, -1
    setreg  pmintenclr_el1, -1
    bl      reset

//# a watchpoint of EL1 is not met at EL0 (D2.10), nor one of loads by a store; QEMU takes one that was met before
//= 1 56000001
    setreg  mdcr_el2, 1 << 8
    setreg  mdscr_el1, 0x8000
    setreg  dbgwvr0_el1, area
    setreg  dbgwvr1_el1, area
    setreg  dbgwcr0_el1, 0x1ff3             // stores at EL1
    setreg  dbgwcr1_el1, 0x1fef             // loads at EL1 and EL0
    at1     EL0, area, ldr x3, [x1]
    at1     EL0, area, str x3, [x1]
    print   x23, x19
    msr     dbgwcr0_el1, xzr
    msr     dbgwcr1_el1, xzr
    bl      reset

//# the OS lock holds software step back (AArch64.GenerateDebugExceptionsFrom); QEMU looks at another bit
//= 2 5a000001
    setreg  oslar_el1, 1
    setreg  mdcr_el2, 1 << 8
    setreg  mdscr_el1, 1
    at1     EL1 | SS, 0, nop
    print   x23, x19
    msr     oslar_el1, xzr
    bl      reset

//# CHAIN makes an odd event counter the upper half of the one before it (D11.11, CHAIN); QEMU has no such event
//= 1
    setreg  mdcr_el2, 6
    setreg  pmevtyper0_el0, 0x08000008      // INST_RETIRED, also at EL2
    setreg  pmevtyper1_el0, 0x0800001e
    setreg  pmevcntr0_el0, 0xfffffff0
    msr     pmevcntr1_el0, xzr
    setreg  pmcntenset_el0, 3
    setreg  pmcr_el0, 1
    isb
    .rept   40
    nop
    .endr
    msr     pmcr_el0, xzr
    isb
    mrs     x3, pmevcntr1_el0
    print   x3
    bl      reset
    bl      stage1_on

//# TLBI RVAE2 of a VHE host is about the EL2&0 regime (TLBI RVAE2, operation for EL2); QEMU leaves that alone
//= 96000005
    setreg  hcr_el2, RW | TGE | (1 << 34)
    setreg  tcr_el2, 0x280803519
    bl      el2_on
    ldr     x3, [x1]
    entry   stage1, 2, 0
    dsb     sy
    ldr     x2, =0x400000080000             // 4 KiB, from 0x80000000
    tlbi    rvae2, x2
    dsb     sy
    isb
    resume_at 1f
    ldr     x1, =0x80000000
    ldr     x3, [x1]
1:  bl      el2_off
    print   x19

//# TLBI VAE2 reaches what a tagged address has brought into the TLB (TLBI VAE2: VA[55:12]); QEMU leaves that alone
//= 96000005
    setreg  tcr_el2, 0x80923519             // TBI
    bl      el2_on
    ldr     x24, =0x100000080000000
    ldr     x3, [x24]
    entry   stage1, 2, 0
    dsb     sy
    ldr     x2, =0x80000
    tlbi    vae2, x2
    dsb     sy
    isb
    resume_at 1f
    ldr     x3, [x24]
1:  bl      el2_off
    print   x19

//# TLBI by an address reaches all pages of the block that has it (D8.14, TLB maintenance); QEMU's jump cache keeps them
//= 8600000d
    setreg  tcr_el2, 0x80823519
    bl      el2_on
    ldr     x24, =0x40000000 + return
    blr     x24
    entry   stage1, 2, (1 << 54) | 0x40000000 + NORMAL
    dsb     sy
    ldr     x2, =0x90000                    // another page of 0x80000000
    tlbi    vae2, x2
    dsb     sy
    isb
    resume_at 1f
    blr     x24
1:  bl      el2_off
    print   x19
    b       finish
    .ltorg

    // EL2's stage 1 on with the tables of EL1, for which TCR_EL2 is made, and RAM at 2 GiB too, where X1 points.
el2_on:
    entry   stage1, 2, 0x40000000 + NORMAL
    setreg  mair_el2, 0xff00
    ldr     x0, =stage1
    msr     ttbr0_el2, x0
    isb
    tlbi    alle2
    dsb     sy
    isb
    mrs     x0, sctlr_el2
    orr     x0, x0, #1
    msr     sctlr_el2, x0
    isb
    mov     x19, #0
    ldr     x1, =0x80000000
return:
    ret
el2_off:
    mrs     x0, sctlr_el2
    bic     x0, x0, #1
    msr     sctlr_el2, x0
    setreg  hcr_el2, RW
    isb
    ret
    .ltorg

// X19: ESR, X20: FAR, X21: ELR, X22: SPSR, X23: EL, X26: NZCV and X27: DIT at the vector.
taken:
handler2:
    mrs     x19, esr_el2
    ldr     x20, =0x5a00eeee
    cmp     x19, x20
    b.eq    1f
    mov     x26, x28
    mov     x27, x29
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
2:  msr     spsel, #1
    ldr     x0, =stack_top
    mov     sp, x0
    ldr     x0, =resume
    ldr     x0, [x0]
    br      x0
    .ltorg

    .balign 2048
vectors2:
    .rept   16
    .balign 128
    mrs     x28, nzcv
    mrs     x29, S3_3_C4_C2_5
    b       handler2
    .endr
    .balign 2048
vectors1:
    .rept   16
    .balign 128
    mrs     x26, nzcv
    mrs     x27, S3_3_C4_C2_5
    hvc     #0xeeee
    .endr

    .balign 64
code:
    nop
    hvc     #2

    .bss
    .balign 16384
wide:
    .skip   16384
stage1:
    .skip   4096
stage2:
    .skip   4096
area:
    .skip   4096
    .text
