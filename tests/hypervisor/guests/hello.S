/* Says what it was started with, and switches off. */
	.include "common.inc"
	setup
	put	'h'
	put	'i'
	ldr	w1, [x20]		/* d0 0d fe ed */
	ldr	w2, =0xedfe0dd0
	cmp	w1, w2
	b.ne	fail
	mrs	x1, CurrentEL
	cmp	x1, #4
	b.ne	fail
	mrs	x1, DAIF
	cmp	x1, #0x3c0
	b.ne	fail
	mrs	x1, SCTLR_EL1
	tst	x1, #1
	b.ne	fail
	mrs	x1, MPIDR_EL1
	mov	x2, #0x80000000
	cmp	x1, x2
	b.ne	fail
	put	'\n'
	psci	PSCI_OFF
on_sync:
on_irq:	b	fail
	tables
