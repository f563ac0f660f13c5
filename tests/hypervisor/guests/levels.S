/*
 * Interrupts of the virtual timer (27) and the performance monitors (23) are level-sensitive: masked in PSTATE or disabled
 * at the redistributor, they are pending while their cause stands, and not after it. A letter for each: listed and taken
 * back, t and p; not listed, T and P; then they come all the same, v and m, pending as well while they are active.
 */
	.include "common.inc"
	.macro	pending, intid		/* X1 = 1 where GICR_ISPENDR0 says so */
	ldr	w1, [x23, #0x200]
	ubfx	x1, x1, #\intid, #1
	.endm
	.macro	expect, intid, isr	/* pending at the redistributor; signalled to the PE */
	isb
	mrs	x2, ISR_EL1
	ubfx	x2, x2, #7, #1
	cmp	x2, #\isr
	b.ne	fail
	pending	\intid
	.endm
	.macro	timer, control
	mov	x0, #\control
	msr	CNTV_CTL_EL0, x0
	.endm
	.macro	counter, overflow
	mov	x0, #1
	msr	PMOVS\overflow\()_EL0, x0
	.endm
	/* Waits until the interrupt is signalled: its cause is a moment old. */
	.macro	await
1:	mrs	x2, ISR_EL1
	tbz	x2, #7, 1b
	.endm

	setup
	gic_on
	movz	x23, #0x080b, lsl #16	/* SGI_base */
	mov	x24, #0
	msr	CNTV_CVAL_EL0, xzr
	mov	x0, #1
	msr	PMINTENSET_EL1, x0
	msr	PMCNTENSET_EL0, x0
	mov	x0, #0x8000		/* an event that does not come */
	msr	PMEVTYPER0_EL0, x0
	mov	x0, #1
	msr	PMCR_EL0, x0

	/* Listed and not acknowledged. Twice: it comes again. */
	.rept	2
	timer	1
	await
	expect	27, 1
	cbz	x1, fail
	timer	3
	expect	27, 0
	cbnz	x1, fail
	.endr
	/* A later time makes the condition go away as well. */
	timer	1
	await
	mov	x0, #0x7fffffff
	msr	CNTV_TVAL_EL0, x0
	expect	27, 0
	cbnz	x1, fail
	put	't'
	timer	0
	msr	CNTV_CVAL_EL0, xzr
	counter	SET
	await
	expect	23, 1
	cbz	x1, fail
	counter	CLR
	expect	23, 0
	cbnz	x1, fail
	put	'p'

	/* Disabled at the redistributor. */
	mov	w0, #(1 << 27) | (1 << 23)
	str	w0, [x23, #0x180]
	.rept	2
	timer	1
	expect	27, 0
	cbz	x1, fail
	timer	0
	expect	27, 0
	cbnz	x1, fail
	.endr
	put	'T'
	.rept	2
	counter	SET
	expect	23, 0
	cbz	x1, fail
	counter	CLR
	expect	23, 0
	cbnz	x1, fail
	.endr
	put	'P'
	timer	1
	isb
	timer	0
	counter	SET
	isb
	counter	CLR
	mov	w0, #(1 << 27) | (1 << 23)
	str	w0, [x23, #0x100]
	isb
	mrs	x2, ISR_EL1
	cbnz	x2, fail

	msr	DAIFClr, #2
	timer	1
2:	cmp	x24, #1
	b.ne	2b
	counter	SET
3:	cmp	x24, #2
	b.ne	3b
	put	'\n'
	psci	PSCI_OFF

on_irq:	mrs	x21, S3_0_C12_C12_0
	add	x24, x24, #1
	cmp	w21, #23
	b.eq	4f
	cmp	w21, #27
	b.ne	fail
	pending	27
	cbz	x1, fail
	timer	0
	pending	27
	cbnz	x1, fail
	put	'v'
	b	5f
4:	pending	23
	cbz	x1, fail
	counter	CLR
	pending	23
	cbnz	x1, fail
	put	'm'
5:	msr	S3_0_C12_C12_1, x21
	eret
on_sync: b	fail
	tables
