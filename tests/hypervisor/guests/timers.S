/* Each timer wakes it three times, the virtual one (27) first, then the physical one (30). */
	.include "common.inc"
	setup
	gic_on
	mov	x22, #0
	mov	x0, #2000
	msr	CNTV_TVAL_EL0, x0
	mov	x0, #1
	msr	CNTV_CTL_EL0, x0
	/* Masked between the look and the wait: an interrupt just before WFI would be waited for in vain. */
1:	cmp	x22, #6
	b.ge	4f
	wfi
	msr	DAIFClr, #2
	msr	DAIFSet, #2
	b	1b
4:	put	'\n'
	psci	PSCI_OFF
on_irq:	mrs	x21, S3_0_C12_C12_0
	add	x22, x22, #1
	mov	x0, #2000
	cmp	w21, #30
	b.eq	2f
	cmp	w21, #27
	b.ne	fail
	put	'v'
	mov	x0, #2000
	msr	CNTV_TVAL_EL0, x0
	cmp	x22, #3
	b.lt	3f
	msr	CNTV_CTL_EL0, xzr
	msr	CNTP_TVAL_EL0, x0
	mov	x0, #1
	msr	CNTP_CTL_EL0, x0
	b	3f
2:	put	'p'
	mov	x0, #2000
	msr	CNTP_TVAL_EL0, x0
	cmp	x22, #6
	b.lt	3f
	msr	CNTP_CTL_EL0, xzr
3:	msr	S3_0_C12_C12_1, x21
	eret
on_sync: b	fail
	tables
