import fc from 'fast-check';
import { generatedId, ID_LENGTH_MAX, idFault, parseGeneratedId, REIGN_LENGTH } from '#protocol/entry';

const REIGN = '0123456789abcdef';

test('a generated id names the reign and the seq that it was given', () => {
  expect(generatedId(REIGN, 42)).toBe('0123456789abcdef-42');
  expect(parseGeneratedId('0123456789abcdef-42')).toEqual({ reign: REIGN, seq: 42 });
});

test('every generated id reads back and is an id that a client could send', () => {
  const reign = fc.string({
    unit: fc.constantFrom(...'0123456789abcdef'),
    minLength: REIGN_LENGTH,
    maxLength: REIGN_LENGTH,
  });
  fc.assert(
    fc.property(reign, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (reign, seq) => {
      const id = generatedId(reign, seq);
      expect(parseGeneratedId(id)).toEqual({ reign, seq });
      expect(idFault(id)).toBeNull();
    }),
  );
});

test.each([
  '',
  'order-17',
  REIGN,
  `${REIGN}-`,
  `${REIGN}-0`,
  `${REIGN}-01`,
  `${REIGN}-1.5`,
  `${REIGN}--1`,
  `${REIGN}-1 `,
  `${REIGN}-1\n`,
  ` ${REIGN}-1`,
  `${REIGN}0-1`,
  `${REIGN.slice(1)}-1`,
  `${REIGN.toUpperCase()}-1`,
  `${REIGN}-12345678901234567`,
])('%j is not of the generated form', (id) => {
  expect(parseGeneratedId(id)).toBeNull();
});

test.each([
  'a',
  'order 17',
  'замовлення-17',
  '😀',
  'é',
  '__proto__',
  'a'.repeat(ID_LENGTH_MAX),
  '😀'.repeat(ID_LENGTH_MAX),
])('%j is an id', (id) => {
  expect(idFault(id)).toBeNull();
});

test.each([
  ['', 'must not be empty'],
  ['a'.repeat(ID_LENGTH_MAX + 1), `must have at most ${ID_LENGTH_MAX} characters`],
  ['😀'.repeat(ID_LENGTH_MAX + 1), `must have at most ${ID_LENGTH_MAX} characters`],
  ['a\nb', 'must be printable: no control characters'],
  ['a\u0000', 'must be printable: no control characters'],
  ['\u007f', 'must be printable: no control characters'],
  ['a\u2028b', 'must be printable: no control characters'],
  ['a\ud800', 'must be printable: no control characters'],
])('%j is not: %s', (id, fault) => {
  expect(idFault(id)).toBe(fault);
});
