/* Ends as Linux does when it panics: a line on the console, and a loop. */
	.include "common.inc"
	setup
	adr	x1, text
1:	ldrb	w0, [x1], #1
	cbz	w0, 2f
	str	w0, [x19]
	b	1b
2:	b	2b
on_sync:
on_irq:	b	fail
	tables
text:	.ascii	"[    1.234567] Kernel panic - not syncing: no reason\n"
	.asciz	"[    1.234568] ---[ end Kernel panic - not syncing: no reason ]---\n"
