import fc from 'fast-check';
import { FailureDetector, type MemberStatus } from '#master/core/members/failure-detector';

const BOUNDS = { suspectAfterMs: 1_500, unhealthyAfterMs: 3_000 };

function detectorOf(...members: string[]): FailureDetector {
  const detector = new FailureDetector(BOUNDS);
  detector.setMembers(members);
  return detector;
}

test('one that was never heard is Unknown, and silence changes nothing', () => {
  const detector = detectorOf('s1');
  expect(detector.statusOf('s1')).toBe('Unknown');
  expect(detector.tick(1_000_000)).toEqual([]);
  expect(detector.silentMs(1_000_000, 's1')).toBeNull();
  expect(detector.aliveCount()).toBe(0);
});

const silences: [silentMs: number, status: MemberStatus][] = [
  [0, 'Healthy'],
  [1_499, 'Healthy'],
  [1_500, 'Suspected'],
  [2_999, 'Suspected'],
  [3_000, 'Unhealthy'],
  [1_000_000, 'Unhealthy'],
];
test.each(silences)('after %i ms of silence it is %s', (silentMs, status) => {
  const detector = detectorOf('s1');
  detector.recordHeard(500, 's1');
  detector.tick(500 + silentMs);
  expect(detector.statusOf('s1')).toBe(status);
  expect(detector.silentMs(500 + silentMs, 's1')).toBe(silentMs);
});

test('every change is told once, with how long it had been silent', () => {
  const detector = detectorOf('s1');
  expect(detector.recordHeard(0, 's1')).toEqual({ node: 's1', from: 'Unknown', to: 'Healthy', silentMs: null });
  expect(detector.recordHeard(100, 's1')).toBeNull();
  expect(detector.tick(1_700)).toEqual([{ node: 's1', from: 'Healthy', to: 'Suspected', silentMs: 1_600 }]);
  expect(detector.tick(1_800)).toEqual([]);
  expect(detector.tick(3_200)).toEqual([{ node: 's1', from: 'Suspected', to: 'Unhealthy', silentMs: 3_100 }]);
  expect(detector.tick(9_000)).toEqual([]);
  expect(detector.recordHeard(9_100, 's1')).toEqual({ node: 's1', from: 'Unhealthy', to: 'Healthy', silentMs: 9_000 });
});

test('a suspected node that still counts as alive is not given up before its time', () => {
  const detector = detectorOf('s1', 's2');
  detector.recordHeard(0, 's1');
  detector.recordHeard(0, 's2');
  detector.tick(2_000);
  expect(detector.aliveCount()).toBe(2);
  detector.recordHeard(2_500, 's2');
  detector.tick(3_000);
  expect(detector.aliveCount()).toBe(1);
});

test('a clean stop is not waited out, and does not come undone by itself', () => {
  const detector = detectorOf('s1');
  detector.recordHeard(0, 's1');
  expect(detector.recordLeft(10, 's1')).toEqual({ node: 's1', from: 'Healthy', to: 'Unhealthy', silentMs: 10 });
  expect(detector.tick(20)).toEqual([]);
  expect(detector.statusOf('s1')).toBe('Unhealthy');
  expect(detector.hasLeft('s1')).toBe(true);
  expect(detector.recordHeard(30, 's1')?.to).toBe('Healthy');
  expect(detector.hasLeft('s1')).toBe(false);
});

test('one that is known to be gone without a word is Unhealthy, and is not said to have left', () => {
  const detector = detectorOf('s1');
  detector.recordHeard(0, 's1');
  expect(detector.recordGone(10, 's1')).toEqual({ node: 's1', from: 'Healthy', to: 'Unhealthy', silentMs: 10 });
  expect(detector.hasLeft('s1')).toBe(false);
  expect(detector.isAlive('s1')).toBe(false);
});

test('a stranger is neither heard nor alive', () => {
  const detector = detectorOf('s1');
  expect(detector.recordHeard(0, 's9')).toBeNull();
  expect(detector.recordLeft(0, 's9')).toBeNull();
  expect(detector.statusOf('s9')).toBe('Unknown');
  expect(detector.aliveCount()).toBe(0);
});

test('a change of members keeps what is known of those that stay and forgets the others', () => {
  const detector = detectorOf('s1', 's2');
  detector.recordHeard(0, 's1');
  detector.recordHeard(0, 's2');
  detector.setMembers(['s2', 's3']);
  expect(detector.aliveCount()).toBe(1);
  detector.setMembers(['s1', 's2', 's3']);
  expect(detector.statusOf('s1')).toBe('Unknown');
  expect(detector.silentMs(5, 's1')).toBeNull();
  expect(detector.statusOf('s2')).toBe('Healthy');
});

interface Happening {
  readonly afterMs: number;
  readonly what: 'heard' | 'left' | 'nothing';
  readonly node: string;
}

/** The status by the definition, from everything that happened to the node until `now`. */
function statusByHistory(history: readonly { at: number; what: string }[], now: number): MemberStatus {
  const signs = history.filter(({ what }) => what !== 'nothing');
  const heard = signs.filter(({ what }) => what === 'heard').at(-1);
  if (signs.at(-1)?.what === 'left') return 'Unhealthy';
  if (heard === undefined) return 'Unknown';
  const silentMs = now - heard.at;
  if (silentMs >= BOUNDS.unhealthyAfterMs) return 'Unhealthy';
  return silentMs >= BOUNDS.suspectAfterMs ? 'Suspected' : 'Healthy';
}

test('the status is what the history says, and the transitions told lead from one to the next', () => {
  const members = ['s1', 's2'];
  const happening: fc.Arbitrary<Happening> = fc.record({
    afterMs: fc.oneof(fc.nat(400), fc.nat(4_000)),
    what: fc.constantFrom('heard', 'heard', 'left', 'nothing'),
    node: fc.constantFrom(...members),
  });
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40 }), (happenings) => {
      const detector = detectorOf(...members);
      const histories = new Map(members.map((node) => [node, [] as { at: number; what: string }[]]));
      const told = new Map<string, MemberStatus>(members.map((node) => [node, 'Unknown']));
      let now = 0;
      for (const { afterMs, what, node } of happenings) {
        now += afterMs;
        const transitions = detector.tick(now);
        if (what === 'heard') transitions.push(...[detector.recordHeard(now, node)].filter((each) => each !== null));
        if (what === 'left') transitions.push(...[detector.recordLeft(now, node)].filter((each) => each !== null));
        histories.get(node)?.push({ at: now, what });
        for (const transition of transitions) {
          expect(transition.from).toBe(told.get(transition.node));
          told.set(transition.node, transition.to);
        }
        for (const each of members) {
          const expected = statusByHistory(histories.get(each) ?? [], now);
          expect(detector.statusOf(each)).toBe(expected);
          expect(told.get(each)).toBe(expected);
        }
        const alive = members.filter((each) => ['Healthy', 'Suspected'].includes(detector.statusOf(each)));
        expect(detector.aliveCount()).toBe(alive.length);
      }
    }),
  );
});
