// Runs the cases of record-control.ts one after the other, each at the exception level that it asks for, and writes down its
// first exception: where it was taken, its syndrome, and all registers. MMU off. Addresses: tests/arch/a64/control-cases.ts.

#include "fuzz/common.S"

#define RESULT      0x40220010		// where the running case's result goes
#define NEXT        0x40220018		// the next case's state, and how many are left
#define BY_SMC      0x40220028		// whether EL1 reaches EL2 by SMC, as HVC may be disabled
#define SIZE        0x200
#define FROM_EL1    0xffe1

	.text
	.globl	_start
_start:
	adr	x0, vectors2
	msr	vbar_el2, x0
	adr	x0, vectors1
	msr	vbar_el1, x0
	msr	mdscr_el1, xzr
	ldr	x0, =0x30c50830
	msr	sctlr_el2, x0
	isb
	ldr	x20, =STATES
	ldr	x21, =RESULTS
	ldr	x0, =CASES
	ldr	x22, [x0]

// x20: state, x21: result, x22: cases left.
next:
	cbz	x22, off
	sub	x22, x22, #1
	ldr	x0, =RESULT
	add	x1, x20, #SIZE
	stp	x21, x1, [x0]
	str	x22, [x0, #16]
	ldr	x1, [x20, #296]
	ubfx	x2, x1, #19, #1			// HCR_EL2.TSC
	str	x2, [x0, #24]
	msr	esr_el1, xzr
	msr	esr_el2, xzr
	msr	far_el1, xzr
	msr	far_el2, xzr
	ldp	x2, x3, [x20, #248]
	msr	sp_el0, x2
	msr	sp_el1, x3
	ldp	x2, x3, [x20, #264]
	mov	sp, x2
	msr	elr_el1, x3
	ldp	x2, x3, [x20, #280]
	msr	spsr_el1, x2
	msr	sctlr_el1, x3
	ldp	x2, x3, [x20, #304]
	msr	mdcr_el2, x2
	msr	elr_el2, x3
	ldp	x2, x3, [x20, #320]
	msr	spsr_el2, x2
	msr	tcr_el1, x3
	ldr	x2, [x20, #336]
	msr	hcr_el2, x1
	isb
	msr	tcr_el2, x2
	isb
	mov	x30, x20
	x0_to_x29 ldp, x30
	ldr	x30, [x30, #240]
	eret

// X30 is in TPIDR_EL2, the vector's number in X30.
save:
	msr	tpidr_el0, x30
	ldr	x30, =RESULT
	ldr	x30, [x30]
	x0_to_x29 stp, x30
	mov	x21, x30
	mrs	x0, tpidr_el2
	mrs	x1, tpidr_el0
	add	x1, x1, #16
	mrs	x2, esr_el2
	mrs	x3, elr_el2
	mrs	x4, spsr_el2
	mrs	x5, far_el2
	mrs	x6, daif
	mrs	x7, S3_0_C4_C2_3		// PAN
	orr	x6, x6, x7
	mrs	x7, S3_0_C4_C2_4		// UAO
	orr	x6, x6, x7
	mrs	x7, S3_3_C4_C2_6		// SSBS
	orr	x6, x6, x7
	mrs	x7, CurrentEL
	orr	x6, x6, x7
	mrs	x7, spsel
	orr	x6, x6, x7
	ldr	x7, =HCR_RW
	msr	hcr_el2, x7
	isb
	// HVC or SMC of vectors1?
	and	x7, x2, #0xffff
	mov	x8, #FROM_EL1
	cmp	x7, x8
	b.ne	1f
	mov	x1, x0
	mov	x6, x4
	mrs	x0, tpidr_el1
	mrs	x2, esr_el1
	mrs	x3, elr_el1
	mrs	x4, spsr_el1
	mrs	x5, far_el1
1:	str	x0, [x21, #240]
	mrs	x7, sp_el0
	mrs	x8, sp_el1
	stp	x7, x8, [x21, #248]
	mov	x7, sp
	stp	x7, x1, [x21, #264]
	stp	x2, x3, [x21, #280]
	stp	x4, x5, [x21, #296]
	str	x6, [x21, #312]
	add	x21, x21, #SIZE
	ldr	x0, =NEXT
	ldp	x20, x22, [x0]
	b	next

off:
	power_off

	.macro	entry2
	msr	tpidr_el2, x30
	mov	x30, #vector
	b	save
	.endm
	.macro	entry1
	msr	tpidr_el1, x30
	ldr	x30, =BY_SMC
	ldr	x30, [x30]
	cbz	x30, 1f
	mov	x30, #vector
	smc	#FROM_EL1
1:	mov	x30, #vector
	hvc	#FROM_EL1
	.endm
	vector_table vectors2, entry2
	vector_table vectors1, entry1
	.ltorg
