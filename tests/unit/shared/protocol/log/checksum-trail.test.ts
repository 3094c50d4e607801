import fc from 'fast-check';
import { ChecksumTrail } from '#protocol/log/checksum-trail';

const POINTS_KEPT = 1_024;

type Act = { readonly grow: number } | { readonly cutTo: number };
const acts = fc.array(
  fc.oneof(
    fc.record({ grow: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ cutTo: fc.double({ min: 0, max: 1, noNaN: true }) }),
  ),
  { maxLength: 60 },
);

test('it knows each point that was recorded and not cut, and no other', () => {
  fc.assert(
    fc.property(fc.nat({ max: 50 }), acts, (start, steps: Act[]) => {
      const trail = new ChecksumTrail({ index: start, checksum: 7_000 + start });
      const oracle = new Map([[start, 7_000 + start]]);
      let end = start;
      for (const [at, step] of steps.entries()) {
        if ('grow' in step) {
          end += step.grow;
          trail.record(end, at);
          oracle.set(end, at);
        } else {
          end = Math.floor(end * step.cutTo);
          trail.truncateAfter(end);
          for (const index of [...oracle.keys()]) if (index > end) oracle.delete(index);
        }
      }
      for (let index = 1; index <= start + 400; index += 1) expect(trail.at(index)).toBe(oracle.get(index) ?? null);
      expect(trail.at(0)).toBe(0);
    }),
  );
});

test('the oldest points are forgotten, so it does not grow without bound', () => {
  const trail = new ChecksumTrail({ index: 0, checksum: 0 });
  for (let index = 1; index <= POINTS_KEPT + 100; index += 1) trail.record(index, index);
  expect(trail.at(50)).toBeNull();
  expect(trail.at(POINTS_KEPT + 100)).toBe(POINTS_KEPT + 100);
  expect(trail.at(200)).toBe(200);
});
