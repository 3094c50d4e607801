import { noQuorum, refused } from '#master/core/refusals';

const QUORUM = { required: 2, alive: 1, ok: false };

test('a refusal for want of a quorum names the rule, who is missing and since when', () => {
  const missing = [
    { id: 'secondary-1', status: 'Unhealthy', lastSeenMs: 4_260 },
    { id: 'secondary-2', status: 'Unknown', lastSeenMs: null },
    { id: 'secondary-3', status: 'Unhealthy', lastSeenMs: 2_000, left: true },
  ] as const;
  const refusal = noQuorum({ quorum: QUORUM, missing }, 3);
  expect(refusal).toMatchObject({
    outcome: 'refused',
    problem: 'no-quorum',
    quorum: { required: 2, alive: 1 },
    missing,
  });
  expect(refusal.detail).toContain('2 of 3 nodes');
  expect(refusal.detail).toContain('1 is alive');
  expect(refusal.detail).toContain('secondary-1 (Unhealthy, last heard 4.3 s ago)');
  expect(refusal.detail).toContain('secondary-2 (Unknown, never heard)');
  expect(refusal.detail).toContain('secondary-3 (stopped in order, 2.0 s ago)');
});

test('several that are alive are named in the plural', () => {
  expect(noQuorum({ quorum: { required: 3, alive: 2, ok: false }, missing: [] }, 5).detail).toContain('2 are alive');
});

test('every refusal says when to try again, and its quorum has no more than two numbers', () => {
  const refusal = refused('overloaded', 'too much', { quorum: QUORUM, missing: [] });
  expect(refusal.retryAfterS).toBeGreaterThan(0);
  expect(refusal.quorum).toEqual({ required: 2, alive: 1 });
  expect(refusal.detail).toBe('too much');
});
