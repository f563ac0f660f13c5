/*
 * Counts instructions: the counter overflows every 256 and interrupts (23) each time, o; an overflow that is not cleared
 * interrupts again, a and b; one that comes while interrupts are masked waits, p, and is cleared when it is taken, m.
 */
	.include "common.inc"
	.macro	overflow_soon
	mov	x0, #0xffffff00
	msr	PMEVCNTR0_EL0, x0
	.endm

	setup
	gic_on
	mrs	x0, ID_AA64DFR0_EL1
	tst	x0, #0xf00
	b.eq	fail
	mov	x22, #0
	mov	x0, #8			/* INST_RETIRED */
	msr	PMEVTYPER0_EL0, x0
	overflow_soon
	mov	x0, #1
	msr	PMINTENSET_EL1, x0
	msr	PMCNTENSET_EL0, x0
	msr	PMCR_EL0, x0
	msr	DAIFClr, #2
1:	cmp	x22, #5
	b.lt	1b
	msr	DAIFSet, #2
	overflow_soon
	mov	x0, #1
	msr	PMCNTENSET_EL0, x0
	mov	x0, #1000
2:	subs	x0, x0, #1
	b.ne	2b
	mrs	x0, ISR_EL1
	tbz	x0, #7, fail
	put	'p'
	msr	DAIFClr, #2
	isb
	cmp	x22, #6
	b.ne	fail
	mrs	x0, ISR_EL1
	cbnz	x0, fail
	put	'\n'
	psci	PSCI_OFF

on_irq:	mrs	x21, S3_0_C12_C12_0
	cmp	w21, #23
	b.ne	fail
	mrs	x0, PMOVSCLR_EL0
	cmp	x0, #1
	b.ne	fail
	add	x22, x22, #1
	adr	x1, letters
	ldrb	w1, [x1, x22]
	str	w1, [x19]
	cmp	x22, #4
	b.eq	3f
	b.lt	4f
	msr	PMCNTENCLR_EL0, x0
4:	msr	PMOVSCLR_EL0, x0
	overflow_soon
3:	msr	S3_0_C12_C12_1, x21
	eret
letters: .ascii " oooabm"
	.align	2
on_sync: b	fail
	tables
