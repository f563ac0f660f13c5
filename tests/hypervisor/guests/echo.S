/* Sleeps until a character comes by interrupt, sends it back, switches off at q. */
	.include "common.inc"
	setup
	gic_on
	mov	w0, #0x70
	str	w0, [x19, #0x2c]	/* UARTLCR_H: FIFO */
	mov	w0, #0x50
	str	w0, [x19, #0x38]	/* UARTIMSC: RX, RT */
	put	'>'
	msr	DAIFClr, #2
1:	wfi
	b	1b
on_irq:	mrs	x21, S3_0_C12_C12_0	/* ICC_IAR1_EL1 */
	cmp	w21, #33
	b.ne	fail
2:	ldr	w0, [x19, #0x18]
	tbnz	w0, #4, 3f
	ldr	w0, [x19]
	str	w0, [x19]
	cmp	w0, #'q'
	b.ne	2b
	psci	PSCI_OFF
3:	msr	S3_0_C12_C12_1, x21	/* ICC_EOIR1_EL1 */
	eret
on_sync: b	fail
	tables
