// Runs the programs of a batch at EL0, one after the other, and notes how each ended. The same image runs on QEMU and on
// Naxos; what it writes is what is compared. Addresses: layout.ts.

#define CASES       0x40220000
#define STATES      0x41000000
#define RESULTS     0x42000000		// each a state and the pages of data
#define STATE_SIZE  0x400
#define DATA        0x40600000
#define TEMPLATE    0x40700000
#define DATA_SIZE   0x3000
#define TABLES      0x40210000

	.text
	.globl	_start
_start:
	mrs	x0, CurrentEL
	cmp	x0, #8
	b.ne	1f
	mov	x0, #0x80000000
	msr	hcr_el2, x0
	mov	x0, #0x33ff
	msr	cptr_el2, x0
	msr	hstr_el2, xzr
	msr	mdcr_el2, xzr
	msr	cntvoff_el2, xzr
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
	ldr	x0, =TEMPLATE
	ldr	x1, =DATA
	mov	x2, #DATA_SIZE
2:	ldp	q0, q1, [x0], #32
	stp	q0, q1, [x1], #32
	subs	x2, x2, #32
	b.ne	2b

	mov	sp, x21
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
	ldp	q0, q1, [x0], #32
	ldp	q2, q3, [x0], #32
	ldp	q4, q5, [x0], #32
	ldp	q6, q7, [x0], #32
	ldp	q8, q9, [x0], #32
	ldp	q10, q11, [x0], #32
	ldp	q12, q13, [x0], #32
	ldp	q14, q15, [x0], #32
	ldp	q16, q17, [x0], #32
	ldp	q18, q19, [x0], #32
	ldp	q20, q21, [x0], #32
	ldp	q22, q23, [x0], #32
	ldp	q24, q25, [x0], #32
	ldp	q26, q27, [x0], #32
	ldp	q28, q29, [x0], #32
	ldp	q30, q31, [x0], #32
	add	x1, x20, #STATE_SIZE
	str	x1, [sp, #248]			// kept here while the program runs
	mov	x30, x20
	ldp	x0, x1, [x30]
	ldp	x2, x3, [x30, #16]
	ldp	x4, x5, [x30, #32]
	ldp	x6, x7, [x30, #48]
	ldp	x8, x9, [x30, #64]
	ldp	x10, x11, [x30, #80]
	ldp	x12, x13, [x30, #96]
	ldp	x14, x15, [x30, #112]
	ldp	x16, x17, [x30, #128]
	ldp	x18, x19, [x30, #144]
	ldp	x20, x21, [x30, #160]
	ldp	x22, x23, [x30, #176]
	ldp	x24, x25, [x30, #192]
	ldp	x26, x27, [x30, #208]
	ldp	x28, x29, [x30, #224]
	ldr	x30, [x30, #240]
	clrex
	eret

save:
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	str	x30, [sp, #240]
	ldr	x20, [sp, #248]
	mov	x21, sp
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
	stp	q0, q1, [x0], #32
	stp	q2, q3, [x0], #32
	stp	q4, q5, [x0], #32
	stp	q6, q7, [x0], #32
	stp	q8, q9, [x0], #32
	stp	q10, q11, [x0], #32
	stp	q12, q13, [x0], #32
	stp	q14, q15, [x0], #32
	stp	q16, q17, [x0], #32
	stp	q18, q19, [x0], #32
	stp	q20, q21, [x0], #32
	stp	q22, q23, [x0], #32
	stp	q24, q25, [x0], #32
	stp	q26, q27, [x0], #32
	stp	q28, q29, [x0], #32
	stp	q30, q31, [x0], #32
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

// PSCI SYSTEM_OFF. Results that a run did not reach stay zero.
off:
	ldr	x0, =0x84000008
	smc	#0
	b	off

	.balign	2048
vectors:
	.rept	8
	b	off
	.balign	128
	.endr
	b	save
	.balign	128
	.rept	7
	b	off
	.balign	128
	.endr
	.ltorg
