import { ForceOrder } from '#master/core/election/force-order';

const KEPT_MS = 60_000;

type Order = 'isBranchForced' | 'isNewLogForced';
const ORDERS: readonly Order[] = ['isBranchForced', 'isNewLogForced'];

function given(order: Order): ForceOrder {
  const force = new ForceOrder();
  force[order] = true;
  return force;
}

test('without a request nothing is given and nothing is prepared, not even at time 0', () => {
  const force = new ForceOrder();
  expect([force.isGiven, force.isPrepared(0)]).toEqual([false, false]);
});

test('a request that is not ready keeps the lock for a minute, and gives nothing by itself', () => {
  const force = new ForceOrder();
  force.prepare(1_000);
  expect(force.isPrepared(1_000 + KEPT_MS - 1)).toBe(true);
  expect(force.isPrepared(1_000 + KEPT_MS)).toBe(false);
  expect(force.isGiven).toBe(false);
});

test('each further request extends the minute', () => {
  const force = new ForceOrder();
  force.prepare(0);
  force.prepare(KEPT_MS - 1);
  expect(force.isPrepared(2 * KEPT_MS - 2)).toBe(true);
  expect(force.isPrepared(2 * KEPT_MS - 1)).toBe(false);
});

describe.each(ORDERS)('an order (%s)', (order) => {
  test('is given until a reign begins with it, which ends the preparation, too', () => {
    const force = given(order);
    force.prepare(0);
    expect(force.isGiven).toBe(true);
    force.finish();
    expect([force.isGiven, force[order], force.isPrepared(0)]).toEqual([false, false, false]);
  });

  test('is void when the lock is lost, which is told once', () => {
    const force = given(order);
    expect(force.revoke()).toBe(true);
    expect([force.isGiven, force[order]]).toEqual([false, false]);
    expect(force.revoke()).toBe(false);
  });
});

test('the loss of the lock leaves the preparation, so that the operator can ask again', () => {
  const force = new ForceOrder();
  force.prepare(0);
  expect(force.revoke()).toBe(false);
  expect(force.isPrepared(KEPT_MS - 1)).toBe(true);
});
