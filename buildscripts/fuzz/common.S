// What the harnesses of the fuzzers and of control-vectors.S share.

// Where things stand: layout.ts.
#define CASES       0x40220000		// how many there are
#define BEGUN       0x40220008		// how many of them have begun
#define TABLES      0x40210000
#define TEMPLATE    0x40700000
#define STATES      0x41000000
#define RESULTS     0x42000000

#define HCR_RW      0x80000000

	.arch	armv8.5-a

// LDP or STP of X0 to X25, or to X29.
	.macro	x0_to_x25 op, base
	\op	x0, x1, [\base]
	\op	x2, x3, [\base, #16]
	\op	x4, x5, [\base, #32]
	\op	x6, x7, [\base, #48]
	\op	x8, x9, [\base, #64]
	\op	x10, x11, [\base, #80]
	\op	x12, x13, [\base, #96]
	\op	x14, x15, [\base, #112]
	\op	x16, x17, [\base, #128]
	\op	x18, x19, [\base, #144]
	\op	x20, x21, [\base, #160]
	\op	x22, x23, [\base, #176]
	\op	x24, x25, [\base, #192]
	.endm
	.macro	x0_to_x29 op, base
	x0_to_x25 \op, \base
	\op	x26, x27, [\base, #208]
	\op	x28, x29, [\base, #224]
	.endm

// Counts a case; X0 and X1 are lost.
	.macro	begin
	ldr	x0, =BEGUN
	ldr	x1, [x0]
	add	x1, x1, #1
	str	x1, [x0]
	.endm

// Adds a register to the sum of the exceptions, X27; X29 is lost.
	.macro	note register
	mrs	x29, \register
	eor	x27, x29, x27, ror #7
	.endm

// A vector table whose entries are the macro `entry`; `vector` is the entry's number.
	.macro	vector_table name, entry
	.balign	2048
	.globl	\name
\name:
	.set	vector, 0
	.rept	16
	\entry
	.balign	128
	.set	vector, vector + 1
	.endr
	.endm

// The end: PSCI SYSTEM_OFF. Results that a run did not reach stay zero.
	.macro	power_off
	ldr	x0, =0x84000008
	smc	#0
	b	.
	.endm
