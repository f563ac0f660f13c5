/*
 * What the identification registers show is there, what they do not show is undefined, U: LORegions, SCXTNUM, EL2's registers. Cache
 * maintenance by set and way does nothing, and neither does that of a device or of what is not there.
 */
	.include "common.inc"
	.arch	armv8.5-a
	setup
	mrs	x0, ID_AA64MMFR0_EL1
	lsr	x0, x0, #60
	cmp	x0, #1			/* FEAT_ECV: CNTPCTSS_EL0, CNTVCTSS_EL0 */
	b.ne	fail
	mrs	x0, S3_3_C14_C0_5
	mrs	x0, S3_3_C14_C0_6
	put	'c'
	mrs	x0, ID_AA64MMFR1_EL1
	tst	x0, #0xf0000		/* LO */
	b.ne	fail
	mrs	x0, S3_0_C10_C4_7	/* LORID_EL1 */
	msr	S3_0_C10_C4_3, xzr	/* LORC_EL1 */
	mrs	x0, S3_3_C13_C0_7	/* SCXTNUM_EL0 */
	mrs	x0, HCR_EL2
	put	'w'
	dc	isw, xzr
	dc	csw, xzr
	dc	cisw, xzr
	put	'd'
	movz	x1, #0x0c00, lsl #16	/* no device */
	dc	cvac, x1
	dc	civac, x19
	dc	ivac, x19
	ic	ivau, x1
	put	'\n'
	psci	PSCI_OFF
on_sync:
	mrs	x1, ESR_EL1
	lsr	x1, x1, #26
	cbnz	x1, fail
	put	'U'
	mrs	x1, ELR_EL1
	add	x1, x1, #4
	msr	ELR_EL1, x1
	eret
on_irq:	b	fail
	tables
