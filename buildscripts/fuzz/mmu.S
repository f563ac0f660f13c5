// Runs programs at EL1 and EL0, as a host at EL2 and EL0, or at EL2, under random translation tables. The code and the vectors of EL1
// are in TTBR1's half and the accesses in TTBR0's, or at EL1 the other way round; a host's harness is in TTBR1's half too while its
// program runs. Exceptions are noted in X27, cost a unit of X28, and return to the next instruction, or where a fetch aborted to X30.
// HVC #1 stores X10 at physical address X9, #3 makes X9 VTTBR_EL2, #0x10 on are invalidations of stage 2, #0x20 on AT S12E* of X9,
// #0x7ff ends a case. X26–X30 are the harness's. Addresses: mmu.ts.

#include "common.S"

#define POINTERS    0x40220010		// result, next state, cases left, state
#define STATE_SIZE  0x200
#define AREA        0x48000000
#define DATA_SIZE   0x20000
#define HIGH        0xffffff8000000000
#define RAM         0x40000000
#define HCR_HOST    0x488000000		// E2H, TGE, RW
#define TGE         27
#define SCTLR_OFF   0x4000000030c50830	// SPINTMASK: no PSTATE.ALLINT
#define SCTLR_ON    0x4000000030c51835	// C, I, M
#define TCR_HOST    0x2b5193519		// 39-bit addresses in both halves, 4 KiB, 40 bits
#define FPEN        (3 << 20)

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
#define AT_PAIRS    312
#define AT_LENGTH   328
#define AT_ESR      328
#define AT_CRC      336

#define TTBR1_EL2   s3_4_c2_c0_1

	.text
	.globl	_start
_start:
	ldr	x0, =SCTLR_OFF
	msr	sctlr_el2, x0
	ldr	x0, =HCR_RW
	msr	hcr_el2, x0
	mov	x0, #FPEN
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
	begin
	ldr	x0, =POINTERS
	add	x1, x20, #STATE_SIZE
	stp	x21, x1, [x0]
	stp	x22, x20, [x0, #16]

// Data, nothing, descriptors.
	ldr	x0, =TEMPLATE
	ldr	x1, =AREA
	add	x2, x1, #DATA_SIZE
	ldr	x3, [x20, #AT_LENGTH]
	add	x3, x3, x1
1:	ldp	q0, q1, [x0], #32
	stp	q0, q1, [x1], #32
	cmp	x1, x2
	b.ne	1b
	movi	v0.2d, #0
2:	stp	q0, q0, [x1], #32
	stp	q0, q0, [x1], #32
	cmp	x1, x3
	b.lo	2b
	ldp	x0, x1, [x20, #AT_PAIRS]
3:	ldp	x2, x3, [x0], #16
	str	x3, [x2]
	subs	x1, x1, #1
	b.ne	3b

	.macro	put register, offset
	ldr	x0, [x20, #\offset]
	msr	\register, x0
	.endm
	adr	x0, vectors2
	msr	vbar_el2, x0
	ldr	x0, =(FPEN | 0x33ff)
	msr	cptr_el2, x0
	msr	esr_el1, xzr
	msr	far_el1, xzr
	msr	elr_el1, xzr
	msr	spsr_el1, xzr
	msr	par_el1, xzr
	msr	far_el2, xzr
	msr	hpfar_el2, xzr
	put	spsr_el2, AT_SPSR
	put	elr_el2, AT_ELR
	ldr	x0, [x20, #AT_HCR]
	tbnz	x0, #TGE, enter_host
	ldr	x0, [x20, #AT_SPSR]
	tbnz	x0, #3, enter_el2
	put	sctlr_el1, AT_SCTLR
	put	tcr_el1, AT_TCR
	put	ttbr0_el1, AT_TTBR0
	put	ttbr1_el1, AT_TTBR1
	put	mair_el1, AT_MAIR
	put	vtcr_el2, AT_VTCR
	put	vttbr_el2, AT_VTTBR
	put	vbar_el1, AT_VBAR
	put	hcr_el2, AT_HCR
	isb
	tlbi	alle1

enter:
	clrex
	dsb	sy
	isb
	ldp	q0, q1, [x20]
	mov	x30, x20
	x0_to_x25 ldp, x30
	ldp	x27, x28, [x30, #208]
	mov	x26, #0
	mov	x30, #0
	eret

// The tables have the harness where it is.
enter_el2:
	put	ttbr0_el2, AT_TTBR0
	put	tcr_el2, AT_TCR
	put	mair_el2, AT_MAIR
	isb
	tlbi	alle2
	dsb	sy
	isb
	put	sctlr_el2, AT_SCTLR
	isb
	b	enter

// The MMU goes on at the code's physical address, which TTBR0's half has until the code is in TTBR1's.
enter_host:
	ldr	x0, =HCR_HOST
	msr	hcr_el2, x0
	isb
	put	TTBR1_EL2, AT_TTBR1
	put	mair_el2, AT_MAIR
	ldr	x0, =FPEN
	msr	cptr_el2, x0
	ldr	x0, =TABLES
	msr	ttbr0_el2, x0
	ldr	x0, =TCR_HOST
	msr	tcr_el2, x0
	isb
	tlbi	alle2
	dsb	sy
	isb
	ldr	x0, =SCTLR_ON
	msr	sctlr_el2, x0
	isb
	adr	x0, 1f
	ldr	x1, =(HIGH - RAM)
	add	x0, x0, x1
	br	x0
1:	orr	x20, x20, #HIGH
	adr	x0, vectors2
	msr	vbar_el2, x0
	put	ttbr0_el2, AT_TTBR0
	put	tcr_el2, AT_TCR
	put	sctlr_el2, AT_SCTLR
	isb
	tlbi	alle2
	b	enter

leave_host:
	ldr	x29, =SCTLR_ON
	msr	sctlr_el2, x29
	ldr	x29, =TABLES
	msr	ttbr0_el2, x29
	ldr	x29, =TCR_HOST
	msr	tcr_el2, x29
	isb
	tlbi	alle2
	dsb	sy
	isb
	adr	x29, 1f
	ldr	x26, =(HIGH - RAM)
	sub	x29, x29, x26
	br	x29
1:	ldr	x29, =SCTLR_OFF
	msr	sctlr_el2, x29
	isb
	ldr	x29, =HCR_RW
	msr	hcr_el2, x29
	isb

save:
	mrs	x29, hcr_el2
	tbnz	x29, #TGE, leave_host
	ldr	x29, =SCTLR_OFF
	msr	sctlr_el2, x29
	isb
	ldr	x29, =HCR_RW
	msr	hcr_el2, x29
	isb
	ldr	x30, =POINTERS
	ldr	x30, [x30]
	x0_to_x25 stp, x30
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
	ldr	x0, =POINTERS
	ldp	x1, x20, [x0]
	ldp	x22, x2, [x0, #16]
	mov	x21, x30
// The sum of data and of the descriptors.
	mov	w5, #0
	ldr	x3, =AREA
	add	x4, x3, #DATA_SIZE
1:	ldp	x6, x7, [x3], #16
	crc32x	w5, w5, x6
	crc32x	w5, w5, x7
	cmp	x3, x4
	b.ne	1b
	ldp	x3, x4, [x2, #AT_PAIRS]
2:	ldr	x6, [x3], #16
	ldr	x6, [x6]
	crc32x	w5, w5, x6
	subs	x4, x4, #1
	b.ne	2b
	str	x5, [x21, #AT_CRC]
	add	x21, x21, #STATE_SIZE
	b	next

off:
	power_off

// Flags: a fetch aborted, or SVC and HVC (NZCV are the program's no more: it does not keep them across accesses).
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
	lsr	x29, x26, #26
	cmp	x29, #0x16
	b.ne	1f
	and	w26, w26, #0xffff
	mov	w29, #0x7ff
	cmp	w26, w29
	b.eq	save
	cmp	w26, #1
	b.eq	store
	cmp	w26, #3
	b.eq	select
	cmp	w26, #0x10
	b.lo	1f
	cmp	w26, #0x24
	b.lo	operate
1:	note	far_el2
	note	hpfar_el2
	note	spsr_el2
	note	elr_el2
// QEMU 7.2 gives EL2's own aborts an instruction syndrome, which only those of stage 2 have.
	mrs	x29, sctlr_el2
	tbz	x29, #0, 2f
	mrs	x26, esr_el2
	ubfx	w29, w26, #27, #5
	cmp	w29, #(0x24 >> 1)
	b.ne	2f
	bfi	x26, xzr, #14, #11
	msr	esr_el2, x26
	eor	x27, x26, x27, ror #7
	b	3f
2:	note	esr_el2
3:	subs	x28, x28, #1
	b.le	save
	resume	elr_el2, esr_el2

store:
	mrs	x29, hcr_el2
	tst	x29, #(1 << TGE)
	orr	x29, x9, #HIGH
	csel	x29, x29, x9, ne
	str	x10, [x29]
	dsb	sy
	eret

select:
	msr	vttbr_el2, x9
	isb
	eret

operate:
	adr	x29, operations - 0x80
	add	x29, x29, x26, lsl #3
	br	x29
	.macro	by_address op
	tlbi	\op, x9
	b	stage1
	.endm
	.macro	whole op
	tlbi	\op
	b	done
	.endm
	.macro	translate op
	at	\op, x9
	b	translated
	.endm
operations:
	.irp	op, ipas2e1, ipas2e1is, ipas2e1os, ipas2le1, ipas2le1is, ipas2le1os
	by_address \op
	.endr
	.irp	op, ripas2e1, ripas2e1is, ripas2e1os, ripas2le1, ripas2le1is, ripas2le1os
	by_address \op
	.endr
	.irp	op, vmalls12e1, vmalls12e1is, alle1, alle1os
	whole	\op
	.endr
	.irp	op, s12e1r, s12e1w, s12e0r, s12e0w
	translate \op
	.endr
// What combines both stages goes by another invalidation.
stage1:
	dsb	sy
	tlbi	vmalle1is
done:
	dsb	sy
	isb
	eret
// PAR_EL1 without SH: see `differences`.
translated:
	isb
	mrs	x29, par_el1
	tbnz	x29, #0, 1f
	and	x29, x29, #~0x180
1:	eor	x27, x29, x27, ror #7
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

// QEMU 7.2 clears NZCV where an exception is taken; the architecture leaves them.
	.macro	entry2
	msr	nzcv, xzr
	b	skip2
	.endm
	.macro	entry1
	msr	nzcv, xzr
	b	skip1
	.endm
	.ltorg
	vector_table vectors2, entry2
	.org	0x1000
	vector_table vectors1, entry1
