// Runs programs at EL1 and EL0 under random translation tables. The code and the vectors of EL1 are in TTBR1's half, the
// accesses in TTBR0's. Exceptions are noted in X27, cost a unit of X28, and return to the next instruction, or where a fetch
// aborted to X30. HVC #1 stores X10 at physical address X9, #2 invalidates the IPA in X9, #0x7ff ends a case. X26–X30 are
// the harness's. Addresses: mmu.ts.

#define CASES       0x40220000
#define POINTERS    0x40220010		// result, next state, cases left, state
#define STATES      0x41000000
#define RESULTS     0x42000000
#define STATE_SIZE  0x200
#define HCR_RW      0x80000000

#define AT_SCTLR    224
#define AT_TCR      232
#define AT_TTBR0    240
#define AT_TTBR1    248
#define AT_MAIR     256
#define AT_HCR      264
#define AT_VTCR     272
#define AT_VTTBR    280
#define AT_SPSR     288
#define AT_ELR      296
#define AT_VBAR     304
#define AT_AREA     312
#define AT_LENGTH   320
#define AT_ESR      328
#define AT_CRC      336

	.arch	armv8.5-a
	.text
	.globl	_start
_start:
	adr	x0, vectors2
	msr	vbar_el2, x0
	mov	x0, #0x33ff
	msr	cptr_el2, x0
	ldr	x0, =0x30c50830
	msr	sctlr_el2, x0
	ldr	x0, =HCR_RW
	msr	hcr_el2, x0
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	msr	mdscr_el1, xzr
	msr	mdcr_el2, xzr
	isb
	ldr	x20, =STATES
	ldr	x21, =RESULTS
	ldr	x0, =CASES
	ldr	x22, [x0]

// x20: state, x21: result, x22: cases left.
next:
	cbz	x22, off
	sub	x22, x22, #1
	ldr	x0, =POINTERS
	add	x1, x20, #STATE_SIZE
	stp	x21, x1, [x0]
	stp	x22, x20, [x0, #16]
	.macro	put register, offset
	ldr	x0, [x20, #\offset]
	msr	\register, x0
	.endm
	put	sctlr_el1, AT_SCTLR
	put	tcr_el1, AT_TCR
	put	ttbr0_el1, AT_TTBR0
	put	ttbr1_el1, AT_TTBR1
	put	mair_el1, AT_MAIR
	put	vtcr_el2, AT_VTCR
	put	vttbr_el2, AT_VTTBR
	put	spsr_el2, AT_SPSR
	put	elr_el2, AT_ELR
	put	vbar_el1, AT_VBAR
	put	hcr_el2, AT_HCR
	msr	esr_el1, xzr
	msr	far_el1, xzr
	msr	elr_el1, xzr
	msr	spsr_el1, xzr
	msr	par_el1, xzr
	msr	far_el2, xzr
	msr	hpfar_el2, xzr
	clrex
	tlbi	alle1
	dsb	sy
	isb
	ldp	q0, q1, [x20]
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
	ldp	x27, x28, [x30, #208]
	mov	x26, #0
	mov	x30, #0
	eret

save:
	ldr	x30, =POINTERS
	ldr	x30, [x30]
	stp	x0, x1, [x30]
	stp	x2, x3, [x30, #16]
	stp	x4, x5, [x30, #32]
	stp	x6, x7, [x30, #48]
	stp	x8, x9, [x30, #64]
	stp	x10, x11, [x30, #80]
	stp	x12, x13, [x30, #96]
	stp	x14, x15, [x30, #112]
	stp	x16, x17, [x30, #128]
	stp	x18, x19, [x30, #144]
	stp	x20, x21, [x30, #160]
	stp	x22, x23, [x30, #176]
	stp	x24, x25, [x30, #192]
	stp	x27, x28, [x30, #208]
	.macro	get register, offset
	mrs	x0, \register
	str	x0, [x30, #\offset]
	.endm
	get	esr_el1, AT_SCTLR
	get	far_el1, AT_TCR
	get	elr_el1, AT_TTBR0
	get	spsr_el1, AT_TTBR1
	get	par_el1, AT_MAIR
	get	far_el2, AT_HCR
	get	hpfar_el2, AT_VTCR
	get	spsr_el2, AT_SPSR
	get	elr_el2, AT_ELR
	get	esr_el2, AT_ESR
	ldr	x0, =HCR_RW
	msr	hcr_el2, x0
	isb
	ldr	x0, =POINTERS
	ldp	x1, x20, [x0]
	ldp	x22, x2, [x0, #16]
	mov	x21, x30
	ldp	x3, x4, [x2, #AT_AREA]
	mov	w5, #0
1:	ldp	x6, x7, [x3], #16
	crc32x	w5, w5, x6
	crc32x	w5, w5, x7
	subs	x4, x4, #16
	b.gt	1b
	str	x5, [x21, #AT_CRC]
	add	x21, x21, #STATE_SIZE
	b	next

off:
	ldr	x0, =0x84000008
	smc	#0
	b	off

	.macro	note register
	mrs	x29, \register
	eor	x27, x29, x27, ror #7
	.endm
// X29 = the class of the syndrome in X29; flags: a fetch aborted, or SVC and HVC (NZCV are the program's no more: it does
// not keep them across accesses).
	.macro	resume elr, esr
	mrs	x29, \esr
	lsr	x29, x29, #26
	sub	x26, x29, #0x20
	cmp	x26, #2
	mrs	x26, \elr
	add	x26, x26, #4
	csel	x26, x30, x26, ls
	sub	x29, x29, #0x15
	cmp	x29, #1
	mrs	x29, \elr
	csel	x26, x29, x26, ls
	msr	\elr, x26
	eret
	.endm

skip2:
	mrs	x26, esr_el2
	movz	w29, #0x7ff
	movk	w29, #0x5a00, lsl #16
	cmp	w26, w29
	b.eq	save
	movz	w29, #1
	movk	w29, #0x5a00, lsl #16
	cmp	w26, w29
	b.eq	store
	add	w29, w29, #1
	cmp	w26, w29
	b.eq	invalidate
	note	far_el2
	note	hpfar_el2
	note	spsr_el2
	note	elr_el2
	note	esr_el2
	subs	x28, x28, #1
	b.le	save
	resume	elr_el2, esr_el2
store:
	str	x10, [x9]
	dsb	sy
	eret
invalidate:
	tlbi	ipas2e1is, x9
	dsb	sy
	tlbi	vmalle1is
	dsb	sy
	isb
	eret

skip1:
	note	far_el1
	note	spsr_el1
	note	elr_el1
	note	esr_el1
	subs	x28, x28, #1
	b.gt	1f
	hvc	#0x7ff
1:	resume	elr_el1, esr_el1

	.balign	2048
vectors2:
	.rept	16
	msr	nzcv, xzr
	b	skip2
	.balign	128
	.endr
	.balign	2048
	.globl	vectors1
vectors1:
	.rept	16
	msr	nzcv, xzr
	b	skip1
	.balign	128
	.endr
	.ltorg
