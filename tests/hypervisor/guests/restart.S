/* Counts its starts in memory, says the count, and resets. */
	.include "common.inc"
	setup
	adr	x1, count
	ldr	w2, [x1]
	add	w2, w2, #1
	str	w2, [x1]
	add	w0, w2, #'0'
	str	w0, [x19]
	psci	PSCI_RESET
on_sync:
on_irq:	b	fail
	tables
count:	.word	0
