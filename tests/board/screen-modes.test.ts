import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ScreenModes } from '../../board/host/screen-modes.ts';

function undo(...chunks: string[]): string {
  const modes = new ScreenModes();
  for (const chunk of chunks) modes.see(new TextEncoder().encode(chunk));
  return modes.undo;
}

describe('a screen', () => {
  test.each([
    ['the cursor', '\x1b[?25l', '\x1b[?25h'],
    ['the other screen, and keys for applications', '\x1b[?1049h\x1b[?1h\x1b=', '\x1b>\x1b[?1l\x1b[?1049l'],
    ['several modes at once', '\x1b[?1000;1006;2004h', '\x1b[?1000l\x1b[?1006l\x1b[?2004l'],
    ['colours', 'a\x1b[1;31mb', '\x1b[0m'],
    ['the margins', '\x1b[2;20r', '\x1b7\x1b[r\x1b8'],
    ['line graphics', '\x1b(0qqq', '\x1b(B'],
  ])('gets back %s', (_, output, expected) => {
    expect(undo(output)).toBe(expected);
  });

  test.each([
    [
      'what was undone by the guest',
      '\x1b[?25l\x1b[?25h\x1b[31mx\x1b[m\x1b[1m\x1b[0m\x1b[2;3r\x1b[r\x1b(0\x1b(B\x1b=\x1b>',
    ],
    ['a full reset', '\x1b[?25l\x1b[?1049h\x1b[7m\x1bc'],
    ['text and other sequences', 'text\r\n\x1b[2J\x1b[10;10H\x1b[K\x1b]0;title\x07\x1b[4h'],
    ['modes that nobody knows', '\x1b[?9999h\x1b[?h'],
  ])('is left alone after %s', (_, output) => {
    expect(undo(output)).toBe('');
  });

  test('is seen in pieces as in one', () => {
    const part = fc.constantFrom(
      '\x1b',
      '[',
      '?',
      '25',
      ';',
      '1049',
      'h',
      'l',
      'm',
      '31',
      'r',
      '(',
      '0',
      'x',
      'c',
      '=',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        expect(undo(...parts)).toBe(undo(parts.join('')));
      }),
    );
  });

  test('is as at first once it was undone', () => {
    const modes = new ScreenModes();
    modes.see(new TextEncoder().encode('\x1b[?25l\x1b[?1049h\x1b[1;7m\x1b[3;4r\x1b=\x1b(0'));
    modes.see(new TextEncoder().encode(modes.undo));
    expect(modes.undo).toBe('');
  });
});
