// Runs the cases of a batch with system registers of their own, at the level that each asks for. Exceptions to EL1 and EL2 are
// noted in X27 and return to the next instruction until X28 is used up; HVC #0x7ff at EL1 or EL2 ends a case. Then everything is
// read back. X27–X30 are the harness's. Addresses: system.ts.

#include "common.S"

#define RESULT      0x40220010		// where the running case's result goes
#define NEXT        0x40220018
#define DATA        0x40600000
#define WRITE_ALL   0x40230000
#define READ_ALL    0x40238000
#define STATE_SIZE  0x400

#define AT_HCR      248
#define AT_SP       256
#define AT_VECTOR   264
#define AT_SYSREGS  272

	.text
	.globl	_start
_start:
	adr	x0, vectors2
	msr	vbar_el2, x0
	msr	oslar_el1, xzr
	ldr	x20, =STATES
	ldr	x21, =RESULTS
	ldr	x0, =CASES
	ldr	x22, [x0]
	ldr	x0, =0x30c50830
	msr	sctlr_el2, x0
	isb

// x20: state, x21: result, x22: cases left.
next:
	cbz	x22, off
	sub	x22, x22, #1
	begin
	ldr	x0, =RESULT
	str	x21, [x0]
	add	x1, x20, #STATE_SIZE
	stp	x1, x22, [x0, #8]
	ldr	x0, =DATA
	stp	xzr, xzr, [x0]
	stp	xzr, xzr, [x0, #16]
	ldr	x0, [x20, #AT_SP]
	mov	sp, x0
	add	x0, x20, #AT_SYSREGS
	ldr	x30, =WRITE_ALL
	blr	x30
	clrex
	ldr	x0, [x20, #AT_HCR]
	msr	hcr_el2, x0
	isb
	mov	x30, x20
	x0_to_x29 ldp, x30
	eret

save:
	ldr	x30, =RESULT
	ldr	x30, [x30]
	x0_to_x25 stp, x30
	stp	x26, x27, [x30, #208]
	str	x28, [x30, #224]
	mov	x21, x30
	mrs	x0, hcr_el2
	str	x0, [x21, #AT_HCR]
	mov	x0, sp
	str	x0, [x21, #AT_SP]
	ldr	x0, =HCR_RW
	msr	hcr_el2, x0
	isb
	add	x0, x21, #AT_SYSREGS
	ldr	x30, =READ_ALL
	blr	x30
	ldr	x0, =NEXT
	ldp	x20, x22, [x0]
	add	x21, x21, #STATE_SIZE
	b	next

off:
	power_off

// QEMU 7.2 clears NZCV where an exception is taken; the architecture leaves them.
// X30: what there is from the preferred return address to the next instruction; 0 after SVC and HVC (EC 0x15, 0x16), and for
// breakpoints and steps (0x30 to 0x33), which could lead past an ERET's fuel.
	.macro	to_next esr
	lsr	x30, \esr, #26
	sub	x30, x30, #0x15
	cmp	x30, #1
	sub	x30, x30, #(0x30 - 0x15)
	ccmp	x30, #3, #0, hi
	mov	x30, #4
	csel	x30, xzr, x30, ls
	.endm

skip2:	msr	nzcv, xzr
	eor	x27, x29, x27, ror #13
	note	far_el2
	note	spsr_el2
	note	elr_el2
	note	esr_el2
	movz	w30, #0x7ff
	movk	w30, #0x5a00, lsl #16
	cmp	w29, w30
	b.eq	save
	subs	x28, x28, #1
	b.le	save
	mrs	x29, esr_el2
	to_next	x29
	mrs	x29, elr_el2
	add	x29, x29, x30
	msr	elr_el2, x29
	eret

skip1:	msr	nzcv, xzr
	eor	x27, x29, x27, ror #13
	note	far_el1
	note	spsr_el1
	note	elr_el1
	note	esr_el1
	subs	x28, x28, #1
	b.gt	1f
	hvc	#0x7ff
1:	mrs	x29, esr_el1
	to_next	x29
	mrs	x29, elr_el1
	add	x29, x29, x30
	msr	elr_el1, x29
	eret

	.macro	entry2
	mov	x29, #vector
	b	skip2
	.endm
	.macro	entry1
	mov	x29, #(vector + 32)
	b	skip1
	.endm
	vector_table vectors2, entry2
	vector_table vectors1, entry1
	.ltorg
