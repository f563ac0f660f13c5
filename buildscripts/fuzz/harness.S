// Runs the programs of a batch at EL0 or EL1, one after the other, and notes how each ended. The same image runs on QEMU and on
// Naxos; what it writes is what is compared. A program with interrupts has the virtual timer's while it runs; it does not see
// them. Addresses: layout.ts.

#include "common.S"

#define INTERRUPTS  0x40220010		// how many there were
#define STATE_SIZE  0x400
#define DATA        0x40600000
#define DATA_SIZE   0x3000
#define GICD        0x08000000
#define GICR        0x080a0000
#define VIRTUAL_TIMER 27

// LDP or STP of the SIMD&FP registers; the base goes on.
	.macro	q0_to_q31 op, base
	\op	q0, q1, [\base], #32
	\op	q2, q3, [\base], #32
	\op	q4, q5, [\base], #32
	\op	q6, q7, [\base], #32
	\op	q8, q9, [\base], #32
	\op	q10, q11, [\base], #32
	\op	q12, q13, [\base], #32
	\op	q14, q15, [\base], #32
	\op	q16, q17, [\base], #32
	\op	q18, q19, [\base], #32
	\op	q20, q21, [\base], #32
	\op	q22, q23, [\base], #32
	\op	q24, q25, [\base], #32
	\op	q26, q27, [\base], #32
	\op	q28, q29, [\base], #32
	\op	q30, q31, [\base], #32
	.endm
// PSCI_VERSION: tells Naxos that a program with interrupts begins or has ended.
	.macro	tell
	mov	x0, #0x84000000
	smc	#0
	.endm

	.text
	.globl	_start
_start:
	mrs	x0, CurrentEL
	cmp	x0, #8
	b.ne	1f
	mov	x0, #HCR_RW
	msr	hcr_el2, x0
	mov	x0, #0x33ff
	msr	cptr_el2, x0
	msr	hstr_el2, xzr
	msr	mdcr_el2, xzr
	msr	cntvoff_el2, xzr
	mov	x0, #0xf
	msr	s3_4_c12_c9_5, x0		// ICC_SRE_EL2
	isb
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	adr	x0, 1f
	msr	elr_el2, x0
	eret
1:
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	msr	mdscr_el1, xzr
	adr	x0, vectors
	msr	vbar_el1, x0
// The virtual timer's interrupt in Group 1.
	ldr	x0, =GICD
	mov	w1, #0x13
	str	w1, [x0]
	ldr	x0, =GICR
	str	wzr, [x0, #0x14]		// GICR_WAKER
	add	x0, x0, #0x10000
	mov	w1, #-1
	str	w1, [x0, #0x80]
	mov	w1, #(1 << VIRTUAL_TIMER)
	str	w1, [x0, #0x100]
	mov	x0, #7
	msr	s3_0_c12_c12_5, x0		// ICC_SRE_EL1
	isb
	mov	x0, #0xff
	msr	s3_0_c4_c6_0, x0		// ICC_PMR_EL1
	mov	x0, #1
	msr	s3_0_c12_c12_7, x0		// ICC_IGRPEN1_EL1
	isb
	mov	x0, #0xff
	msr	mair_el1, x0
	ldr	x0, =0x280803519		// T0SZ 25, inner shareable write-back, EPD1, IPS 40 bits
	msr	tcr_el1, x0
	ldr	x0, =TABLES
	msr	ttbr0_el1, x0
	tlbi	vmalle1
	dsb	sy
	isb
	ldr	x0, =0x34d0d985			// M, C, I, DZE, UCT, UCI; not A, SA0, UMA, nTWI, nTWE
	msr	sctlr_el1, x0
	isb
	ldr	x20, =STATES
	ldr	x21, =RESULTS
	ldr	x0, =CASES
	ldr	x22, [x0]
	msr	tpidr_el1, x22
	msr	contextidr_el1, xzr

// x20: state, x21: result, tpidr_el1: cases left.
next:
	mrs	x22, tpidr_el1
	cbz	x22, off
	sub	x22, x22, #1
	msr	tpidr_el1, x22
	begin
	ldr	x0, =TEMPLATE
	ldr	x1, =DATA
	mov	x2, #DATA_SIZE
2:	ldp	q0, q1, [x0], #32
	stp	q0, q1, [x1], #32
	subs	x2, x2, #32
	b.ne	2b

	mov	sp, x21
	ldr	x0, [x20, #264]
	tbnz	x0, #7, 4f			// SPSR.I
	tell
	msr	cntv_tval_el0, xzr
	mov	x0, #1
	msr	cntv_ctl_el0, x0
4:
	ldr	x0, [x20, #248]
	msr	sp_el0, x0
	ldp	x0, x1, [x20, #256]
	msr	elr_el1, x0
	msr	spsr_el1, x1
	ldp	x0, x1, [x20, #288]
	msr	fpcr, x0
	msr	fpsr, x1
	ldr	x0, [x20, #304]
	msr	tpidr_el0, x0
	msr	esr_el1, xzr
	msr	far_el1, xzr
	add	x0, x20, #320
	q0_to_q31 ldp, x0
	add	x1, x20, #STATE_SIZE
	str	x1, [sp, #248]			// kept here while the program runs
	mov	x30, x20
	x0_to_x29 ldp, x30
	ldr	x30, [x30, #240]
	clrex
	eret

save:
	x0_to_x29 stp, sp
	str	x30, [sp, #240]
	ldr	x20, [sp, #248]
	mov	x21, sp
	mrs	x0, spsr_el1
	tbnz	x0, #7, 4f
	msr	cntv_ctl_el0, xzr
	tell
4:
	mrs	x0, sp_el0
	str	x0, [x21, #248]
	mrs	x0, elr_el1
	mrs	x1, spsr_el1
	stp	x0, x1, [x21, #256]
	mrs	x0, esr_el1
	mrs	x1, far_el1
	stp	x0, x1, [x21, #272]
	mrs	x0, fpcr
	mrs	x1, fpsr
	stp	x0, x1, [x21, #288]
	mrs	x0, tpidr_el0
	str	x0, [x21, #304]
	msr	fpcr, xzr
	add	x0, x21, #320
	q0_to_q31 stp, x0
	ldr	x0, =DATA
	add	x1, x21, #0x400
	mov	x2, #DATA_SIZE
3:	ldp	q0, q1, [x0], #32
	stp	q0, q1, [x1], #32
	subs	x2, x2, #32
	b.ne	3b
	add	x21, x21, #DATA_SIZE
	add	x21, x21, #STATE_SIZE
	b	next

off:
	power_off

// The virtual timer comes again after a while. Now and then translations and code are forgotten. SP is the result, which is not
// written yet.
interrupt:
	stp	x0, x1, [sp]
	stp	x2, x30, [sp, #16]
	str	q0, [sp, #32]
	ldr	x1, =INTERRUPTS
	ldr	x2, [x1]
	add	x2, x2, #1
	str	x2, [x1]
	mov	w0, #0x9e37
	mul	w0, w0, w2
	and	w0, w0, #0xfff
	add	w0, w0, #1500
	msr	cntv_tval_el0, x0
	isb
	mrs	x0, s3_0_c12_c12_0		// ICC_IAR1_EL1
	msr	s3_0_c12_c12_1, x0		// ICC_EOIR1_EL1
	movi	v0.2d, #0
	bl	5f
	ands	x0, x2, #3
	b.ne	6f
	tlbi	vmalle1
	dsb	nsh
	ands	x0, x2, #31
	b.ne	6f
	ic	iallu
	dsb	nsh
6:	isb
	ldr	q0, [sp, #32]
	ldp	x2, x30, [sp, #16]
	ldp	x0, x1, [sp]
	eret
5:	ret

// EL1 with SP_EL0, and EL0.
	.macro	entry
	.if	vector == 0 || vector == 8
	b	save
	.elseif	vector == 1 || vector == 9
	b	interrupt
	.else
	b	off
	.endif
	.endm
	vector_table vectors, entry
	.ltorg
