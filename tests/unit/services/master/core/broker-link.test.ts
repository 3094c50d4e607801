import { BrokerLink, type LockOwner } from '#master/core/broker-link';

const OWNER: LockOwner = { node: 'other', httpUrl: 'http://other:8080', log: 'r1' };

test('before any report there is no connection and no lock, and nothing is known of an owner', () => {
  const link = new BrokerLink();
  expect([link.connected, link.lockedOut, link.hasLock, link.blocked]).toEqual([false, false, false, false]);
  expect([link.owner, link.trouble]).toEqual([null, null]);
});

interface Row {
  readonly step: (link: BrokerLink) => void;
  readonly connected: boolean;
  readonly hasLock: boolean;
}

test.each<[what: string, row: Row]>([
  ['up: connected with the lock', { step: (link) => link.becomeUp(), connected: true, hasLock: true }],
  [
    'locked out: connected without the lock',
    { step: (link) => link.becomeLockedOut(), connected: true, hasLock: false },
  ],
  ['down: neither', { step: (link) => link.becomeDown(), connected: false, hasLock: false }],
  [
    'lock released: neither, until the next report',
    { step: (link) => link.giveUpLock(), connected: false, hasLock: false },
  ],
])('from any earlier state, %s', (_, { step, connected, hasLock }) => {
  for (const before of ['becomeUp', 'becomeLockedOut', 'becomeDown', 'giveUpLock'] as const) {
    const link = new BrokerLink();
    link[before]();
    step(link);
    expect([before, link.connected, link.hasLock]).toEqual([before, connected, hasLock]);
  }
});

test('a standby that gets the lock forgets the owner that it had heard', () => {
  const link = new BrokerLink();
  link.becomeLockedOut();
  link.recordOwner(OWNER);
  expect([link.lockedOut, link.owner]).toEqual([true, OWNER]);
  link.becomeUp();
  expect([link.lockedOut, link.owner]).toEqual([false, null]);
});

test('of two owners the one that was heard last is shown', () => {
  const link = new BrokerLink();
  link.becomeLockedOut();
  link.recordOwner(OWNER);
  link.recordOwner({ ...OWNER, node: 'third' });
  expect(link.owner?.node).toBe('third');
});

test('an alarm of the broker holds until it is over, or until the connection is lost', () => {
  const link = new BrokerLink();
  link.becomeUp();
  link.setBlocked(true);
  expect(link.blocked).toBe(true);
  link.setBlocked(false);
  expect(link.blocked).toBe(false);
  link.setBlocked(true);
  link.becomeDown();
  link.becomeUp();
  expect(link.blocked).toBe(false);
});

test('the reason for a missing session is kept, word for word, until the driver withdraws it', () => {
  const link = new BrokerLink();
  link.setTrouble('ACCESS-REFUSED');
  link.becomeDown();
  expect(link.trouble).toBe('ACCESS-REFUSED');
  link.setTrouble(null);
  expect(link.trouble).toBeNull();
});
