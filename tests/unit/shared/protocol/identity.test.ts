import fc from 'fast-check';
import { branchOf, extendsLog, type Identity, isForeign, isPrefixOf, logIdOf, longerOf } from '#protocol/identity';

const ONE = '60c249b35917a53d';
const FORCED = `${ONE}/0b1f0b1f0b1f0b1f`;
const FORCED_TWICE = `${FORCED}/1111111111111111`;
const OTHER_BRANCH = `${ONE}/2222222222222222`;
const OTHER = 'ffffffffffffffff';

test.each<[string, Identity | null, Identity | null, 'same' | 'can follow' | 'foreign']>([
  ['the same log', ONE, ONE, 'same'],
  ['two blank nodes', null, null, 'same'],
  ['a blank node and a log', null, ONE, 'can follow'],
  ['a log and its branch', ONE, FORCED, 'can follow'],
  ['a log and a branch of its branch', ONE, FORCED_TWICE, 'can follow'],
  ['a branch and the next one', FORCED, FORCED_TWICE, 'can follow'],
  ['two logs', ONE, OTHER, 'foreign'],
  ['two branches of one log', FORCED, OTHER_BRANCH, 'foreign'],
  ['a branch and what another one came to', FORCED_TWICE, OTHER_BRANCH, 'foreign'],
  ['two ids of which one begins with the other', 'ab', 'abc', 'foreign'],
  ['two branches of which one begins with the other', 'r/ab', 'r/abc', 'foreign'],
])('of %s the first and the second are %s %s: %s', (_, a, b, how) => {
  expect(isPrefixOf(a, b)).toBe(how !== 'foreign');
  expect(isPrefixOf(b, a)).toBe(how === 'same');
  expect([isForeign(a, b), isForeign(b, a)]).toEqual([how === 'foreign', how === 'foreign']);
  expect(extendsLog(b, a)).toBe(how === 'can follow');
  expect(extendsLog(a, b)).toBe(false);
  if (how !== 'foreign') expect([longerOf(a, b), longerOf(b, a)]).toEqual([b, b]);
});

test('a branch is the log and the reign of the force, and keeps the log id', () => {
  expect(branchOf(ONE, '0b1f0b1f0b1f0b1f')).toBe(FORCED);
  expect([ONE, FORCED, FORCED_TWICE].map(logIdOf)).toEqual([ONE, ONE, ONE]);
});

/** Few reigns, and such as begin with each other: so that paths often share a beginning. */
const path = fc.array(fc.constantFrom('a', 'ab', 'b', 'ba'), { maxLength: 4 });
const identityOf = (reigns: readonly string[]): Identity | null => {
  const [first, ...forces] = reigns;
  return first === undefined ? null : forces.reduce(branchOf, first);
};
const isBeginningOf = (a: readonly string[], b: readonly string[]) => a.every((reign, at) => b[at] === reign);

test('who can follow whom is what their paths say, reign by reign', () => {
  fc.assert(
    fc.property(path, path, (a, b) => {
      const [one, other] = [identityOf(a), identityOf(b)];
      expect(isPrefixOf(one, other)).toBe(isBeginningOf(a, b));
      expect(isForeign(one, other)).toBe(!isBeginningOf(a, b) && !isBeginningOf(b, a));
      expect(extendsLog(one, other)).toBe(a.length > b.length && isBeginningOf(b, a));
    }),
    { numRuns: 500 },
  );
});

test('of any two exactly one is true: they are the same log, one goes on where the other ends, or they are foreign', () => {
  fc.assert(
    fc.property(path, path, (a, b) => {
      const [one, other] = [identityOf(a), identityOf(b)];
      const truths = [one === other, extendsLog(one, other), extendsLog(other, one), isForeign(one, other)];
      expect(truths.filter(Boolean)).toHaveLength(1);
      if (!isForeign(one, other)) {
        expect(longerOf(one, other)).toBe(longerOf(other, one));
        expect([one, other]).toContain(longerOf(one, other));
        expect(isPrefixOf(one, longerOf(one, other)) && isPrefixOf(other, longerOf(one, other))).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('whoever follows a log follows what that one follows', () => {
  fc.assert(
    fc.property(path, path, fc.nat(4), fc.nat(4), (a, more, cut, end) => {
      const whole = [...a, ...more];
      const [shorter, middle] = [whole.slice(0, Math.min(cut, end)), whole.slice(0, Math.max(cut, end))];
      expect(isPrefixOf(identityOf(shorter), identityOf(middle))).toBe(true);
      expect(isPrefixOf(identityOf(middle), identityOf(whole))).toBe(true);
      expect(isPrefixOf(identityOf(shorter), identityOf(whole))).toBe(true);
    }),
  );
});
