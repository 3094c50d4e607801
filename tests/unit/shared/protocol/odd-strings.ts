/** Strings that break careless code, and an arbitrary of any string at all. */
import fc from 'fast-check';

export const ODD_STRINGS = [
  '',
  ' ',
  '\u0000',
  'a\nb\r\n',
  '\u2028\u2029',
  '😀👩‍👩‍👧',
  '\ud800',
  '\udc00\ud800',
  '\ufeff',
  '__proto__',
  'constructor',
  '"]}',
  '\\u0000',
  ',\n',
  'é'.repeat(128 * 1024),
];

export const anyString = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
  fc.constantFrom(...ODD_STRINGS),
);
