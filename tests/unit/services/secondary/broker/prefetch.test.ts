import fc from 'fast-check';
import { PrefetchWindow } from '#secondary/broker/prefetch';

const MIB = 2 ** 20;
const BYTES_MAX = 32 * MIB;

/** A broker that sends as much as it may; returns the count of the consumer at the end. */
function deliver(window: PrefetchWindow, sizes: readonly number[]): void {
  for (const bytes of sizes) {
    window.noteDelivered(bytes);
    window.noteSettled(bytes);
  }
}

test('it begins with few, and goes to many when the deliveries are small', () => {
  const window = new PrefetchWindow(64);
  expect(window.begin()).toBe(4);
  deliver(window, [100, 100, 100]);
  expect(window.mustEnd).toBe(false);
  deliver(window, [100]);
  expect(window.mustEnd).toBe(true);
  expect(window.begin()).toBe(64);
});

test('the first large delivery among small ones asks for few', () => {
  const window = new PrefetchWindow(64);
  window.begin();
  deliver(window, [100, 100, 100, 100]);
  window.begin();
  deliver(window, [100]);
  expect(window.mustEnd).toBe(false);
  deliver(window, [6 * MIB]);
  expect(window.mustEnd).toBe(true);
  expect(window.begin()).toBe(5);
});

test('what is held ends the consumer, and half of it settled lets another begin', () => {
  const window = new PrefetchWindow(64);
  window.begin();
  for (let at = 0; at < 3; at += 1) window.noteDelivered(10 * MIB);
  expect([window.mustEnd, window.hasRoom]).toEqual([false, false]);
  window.noteDelivered(10 * MIB);
  expect(window.mustEnd).toBe(true);
  for (let at = 0; at < 2; at += 1) window.noteSettled(10 * MIB);
  expect(window.hasRoom).toBe(false);
  window.noteSettled(10 * MIB);
  expect(window.hasRoom).toBe(true);
  expect(window.begin()).toBe(3);
});

test('whatever the sizes, a broker that waits for each change brings little more than the bound', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 16 * MIB }), { maxLength: 300 }), (sizes) => {
      const window = new PrefetchWindow(64);
      window.begin();
      let held = 0;
      for (const bytes of sizes) {
        if (window.mustEnd && !window.hasRoom) break;
        if (window.mustEnd) window.begin();
        window.noteDelivered(bytes);
        held += bytes;
        expect(held).toBeLessThan(BYTES_MAX + 16 * MIB);
      }
    }),
  );
});
