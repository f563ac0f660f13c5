/* Does what a virtual machine does not allow, and says what it got for it: E, external abort; U, undefined. */
	.include "common.inc"
	setup
	movz	x1, #0x0c00, lsl #16	/* no device */
	ldr	w0, [x1]
	str	w0, [x1]
	ldp	w0, w2, [x19]		/* no syndrome */
	mov	x1, #0x100000000	/* no memory */
	ldr	w0, [x1]
	mrs	x0, S3_0_C9_C9_0	/* no such registers: PMSCR_EL1 and another */
	mrs	x0, S3_0_C15_C0_0
	mrs	x0, ID_AA64PFR0_EL1	/* EL2 is hidden */
	tst	x0, #0xf00
	b.ne	fail
	msr	S3_0_C12_C11_5, xzr	/* ICC_SGI1R_EL1, to nobody */
	ldr	x0, [x19, #4]		/* UART registers are narrower: two reads, not aligned */
	smc	#0			/* SMCCC: no such function */
	put	'\n'
	psci	PSCI_OFF
on_sync:
	stp	x0, x1, [sp, #-16]!
	mrs	x1, ESR_EL1
	lsr	x1, x1, #26
	mov	w0, #'?'
	cmp	x1, #0x25
	b.ne	1f
	mov	w0, #'E'
1:	cbnz	x1, 2f
	mov	w0, #'U'
2:	str	w0, [x19]
	mrs	x1, ELR_EL1
	add	x1, x1, #4
	msr	ELR_EL1, x1
	ldp	x0, x1, [sp], #16
	eret
on_irq:	b	fail
	tables
