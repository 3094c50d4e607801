import { LogDeclaration } from '#master/core/election/log-declaration';

/** A declaration after one session of a reign that is not yet founded. */
function inSession(isBrokerFresh: boolean): LogDeclaration {
  const declaration = new LogDeclaration();
  declaration.recordSession(isBrokerFresh, false);
  return declaration;
}

test('before any reign nothing is to be declared', () => {
  const declaration = new LogDeclaration();
  expect([declaration.isDone, declaration.take()]).toEqual([true, false]);
});

test.each<[what: string, isDue: boolean, given: { isBrokerFresh: boolean; isBirth: boolean }]>([
  ['a log begins on a fresh broker', true, { isBrokerFresh: true, isBirth: true }],
  ['a log begins where the broker knows of an older one', true, { isBrokerFresh: false, isBirth: true }],
  ['a reign finds a broker that has lost its memory', true, { isBrokerFresh: true, isBirth: false }],
  ['a reign finds a broker that knows of the log', false, { isBrokerFresh: false, isBirth: false }],
])('when %s, the exchange is to be declared: %s', (_, isDue, { isBrokerFresh, isBirth }) => {
  const declaration = inSession(isBrokerFresh);
  declaration.recordReign(isBirth);
  expect([declaration.isDone, declaration.take()]).toEqual([!isDue, isDue]);
});

test('the log is declared once, and the master leads only after the confirmation', () => {
  const declaration = inSession(true);
  declaration.recordReign(true);
  expect([declaration.take(), declaration.take()]).toEqual([true, false]);
  expect([declaration.isDone, declaration.isBrokerFresh]).toEqual([false, true]);
  declaration.recordConfirmed();
  expect([declaration.isDone, declaration.isBrokerFresh]).toEqual([true, false]);
});

test('after the confirmation the next reign has nothing to declare', () => {
  const declaration = inSession(true);
  declaration.recordReign(true);
  declaration.take();
  declaration.recordConfirmed();
  declaration.recordReign(false);
  expect([declaration.isDone, declaration.take()]).toEqual([true, false]);
});

test('a connection that is lost before the configuration is durable leaves the declaration due', () => {
  const declaration = inSession(true);
  declaration.recordReign(true);
  declaration.recordSession(true, false);
  expect([declaration.isDone, declaration.take()]).toEqual([false, true]);
});

test('a session of a founded reign has declared the exchange itself, whatever was due or unconfirmed', () => {
  for (const wasTaken of [false, true]) {
    const declaration = inSession(true);
    declaration.recordReign(true);
    if (wasTaken) declaration.take();
    declaration.recordSession(true, true);
    expect([declaration.isDone, declaration.isBrokerFresh, declaration.take()]).toEqual([true, false, false]);
  }
});
