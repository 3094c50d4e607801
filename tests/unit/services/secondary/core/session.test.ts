import fc from 'fast-check';
import type { SecondaryEffect } from '#secondary/core/events';
import { Session } from '#secondary/core/session';

const ACTS = {
  up: (session: Session) => session.becomeUp(),
  down: (session: Session) => session.becomeDown(),
  locked: (session: Session) => session.becomeLockedOut(),
  consume: (session: Session, out: SecondaryEffect[]) => session.consume(out),
  stop: (session: Session, out: SecondaryEffect[]) => session.stop(out),
  missing: (session: Session) => session.recordMissing(),
  pause: (session: Session, out: SecondaryEffect[]) => void session.pause(true, out),
  'go on': (session: Session, out: SecondaryEffect[]) => void session.pause(false, out),
} as const;
type Act = keyof typeof ACTS;

function after(acts: readonly Act[]): { session: Session; told: string[] } {
  const session = new Session();
  const out: SecondaryEffect[] = [];
  for (const act of acts) ACTS[act](session, out);
  return { session, told: out.map((effect) => effect.do) };
}

test.each<[acts: Act[], isConsuming: boolean, told: string[]]>([
  [['consume'], false, []],
  [['up', 'consume'], true, ['consume']],
  [['up', 'consume', 'consume'], true, ['consume']],
  [['up', 'consume', 'down'], false, ['consume']],
  [['up', 'consume', 'down', 'up', 'consume'], true, ['consume', 'consume']],
  [['up', 'consume', 'missing', 'consume'], true, ['consume', 'consume']],
  [['up', 'consume', 'stop', 'consume'], true, ['consume', 'stopConsuming', 'consume']],
  [['up', 'consume', 'pause', 'consume'], false, ['consume', 'stopConsuming']],
  [['pause', 'up', 'consume'], false, ['stopConsuming']],
  [['up', 'consume', 'pause', 'pause'], false, ['consume', 'stopConsuming']],
  [['up', 'consume', 'pause', 'go on'], false, ['consume', 'stopConsuming']],
  [['up', 'consume', 'pause', 'go on', 'consume'], true, ['consume', 'stopConsuming', 'consume']],
])('%j: consuming %s, and the driver is told %j', (acts, isConsuming, told) => {
  const { session, told: effects } = after(acts);
  expect(session.consuming).toBe(isConsuming);
  expect(effects).toEqual(told);
});

test('a pause outlives the connection', () => {
  expect(after(['up', 'pause', 'down', 'up']).session.paused).toBe(true);
});

test('a pause that changes nothing says so', () => {
  const session = new Session();
  expect([true, true, false, false].map((paused) => session.pause(paused, []))).toEqual([true, false, true, false]);
});

test.each<[acts: Act[], lockedOut: boolean]>([
  [['locked'], true],
  [['locked', 'down'], true],
  [['locked', 'up'], false],
])('%j: locked out %s', (acts, lockedOut) => {
  expect(after(acts).session.lockedOut).toBe(lockedOut);
});

test('it consumes only while it is connected and not paused, and never asks twice for one consumption', () => {
  const acts = fc.array(fc.constantFrom(...(Object.keys(ACTS) as Act[])), { maxLength: 40 });
  fc.assert(
    fc.property(acts, (all) => {
      const session = new Session();
      for (const act of all) {
        const was = session.consuming;
        const out: SecondaryEffect[] = [];
        ACTS[act](session, out);
        if (session.consuming) expect([session.connected, session.paused]).toEqual([true, false]);
        expect(out.some((effect) => effect.do === 'consume')).toBe(session.consuming && !was);
      }
    }),
  );
});
