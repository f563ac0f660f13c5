// RNDR and RNDRRS: NZCV is zero after them, also where flags were known before, across branches and in loops.

#include "harness.S"

main:
    mov     x29, x30
    mov     x1, #5
    mov     x10, #0
1:  cmp     x1, #3              // flags made by a comparison
    mrs     x2, rndr
    cset    x3, hs              // C
    cset    x4, eq
    mrs     x5, nzcv
    print   x1, x3, x4, x5
    orr     x10, x10, x2
    subs    x1, x1, #1
    b.ne    1b

    mov     x0, #0xf0000000
    msr     nzcv, x0
    cbz     x1, 2f
    cmp     x1, x1
    b       3f
2:  mrs     x2, rndrrs
3:  mrs     x5, nzcv
    cset    x6, vs
    print   x5, x6
    orr     x10, x10, x2
    cmp     x10, #0
    cset    x6, ne
    print   x6
    ret     x29
code:
