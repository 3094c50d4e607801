import { bodyOf, propertiesOf, readWire, replyToOf } from '#amqp/wire';
import type { WireMessage } from '#protocol/wire/messages';

const leave: WireMessage = { type: 'leave', epoch: 1, reign: 'r', log: 'r1', node: 's1' };
const properties = (changes: Record<string, unknown>) =>
  changes as unknown as Parameters<typeof replyToOf>[0]['properties'];

it('what is written is read back', () => {
  const read = readWire('q', { properties: properties({ type: 'leave' }), content: bodyOf(leave) });
  expect(read).toEqual({ message: leave });
});

it('the properties say who, what, when and where to answer', () => {
  const envelope = { node: 's1', replyTo: 'q', persistent: false, expiresMs: 3000 };
  const { timestamp, ...rest } = propertiesOf(leave, envelope);
  expect(rest).toEqual({
    type: 'leave',
    appId: 's1',
    contentType: 'application/json',
    replyTo: 'q',
    persistent: false,
    expiration: 3000,
  });
  expect(Math.abs((timestamp ?? 0) - Date.now() / 1000)).toBeLessThan(2);
  expect(propertiesOf(leave, { ...envelope, expiresMs: null })).not.toHaveProperty('expiration');
});

it.each([
  [{}, null],
  [{ type: 7 }, null],
  [{ type: 'x'.repeat(300) }, 'x'.repeat(80)],
  [{ type: '__proto__' }, '__proto__'],
])('a message of kind %j is malformed, whatever its body', (kind, type) => {
  const read = readWire('q', { properties: properties(kind), content: Buffer.from('{}') });
  expect(read).toMatchObject({ malformed: { type, bytes: 2, queue: 'q' } });
});

it.each([
  [{ replyTo: 'q' }, 'q'],
  [{ replyTo: '' }, null],
  [{}, null],
])('of %j the answer goes to %j', (given, queue) => {
  expect(replyToOf({ properties: properties(given) })).toBe(queue);
});
