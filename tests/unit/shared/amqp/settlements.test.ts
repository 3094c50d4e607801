import fc from 'fast-check';
import { Settlements } from '#amqp/settlements';

function delivered(count: number): Settlements {
  const settlements = new Settlements();
  for (let tag = 1; tag <= count; tag += 1) settlements.recordDelivered(tag);
  return settlements;
}

test('deliveries that are settled in order are answered by one number', () => {
  const settlements = delivered(5);
  for (const tag of [1, 2, 3]) settlements.settle(tag);
  expect(settlements.count).toBe(3);
  expect(settlements.take()).toEqual({ upTo: 3, single: [] });
  expect(settlements.count).toBe(0);
  expect(settlements.take()).toEqual({ upTo: 0, single: [] });
});

test('a delivery that is settled before an older one is answered alone', () => {
  const settlements = delivered(5);
  for (const tag of [4, 1, 5]) settlements.settle(tag);
  expect(settlements.take()).toEqual({ upTo: 1, single: [4, 5] });
  settlements.settle(2);
  settlements.settle(3);
  expect(settlements.take()).toEqual({ upTo: 3, single: [] });
});

test('one that was given back is not answered, and keeps none from being answered', () => {
  const settlements = delivered(3);
  settlements.forget(1);
  settlements.settle(2);
  settlements.settle(1);
  expect(settlements.take()).toEqual({ upTo: 2, single: [] });
});

test('each settled delivery is answered once and no other one is, whatever the order', () => {
  const step = fc.record({ act: fc.constantFrom('deliver', 'settle', 'forget', 'take'), pick: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const settlements = new Settlements();
      const [open, settled, answered] = [new Set<number>(), new Set<number>(), new Set<number>()];
      let last = 0;
      for (const { act, pick } of steps) {
        const tag = [...open][pick % Math.max(open.size, 1)];
        if (act === 'deliver') {
          last += 1;
          open.add(last);
          settlements.recordDelivered(last);
        } else if (act === 'take') {
          const { upTo, single } = settlements.take();
          // The broker refuses `multiple` with a tag that is not unanswered.
          if (upTo > 0) expect(settled.has(upTo) && !answered.has(upTo)).toBe(true);
          const included = [...open, ...settled].filter((each) => each <= upTo && !answered.has(each));
          for (const each of [...included, ...single]) {
            expect(settled.has(each) && !answered.has(each)).toBe(true);
            answered.add(each);
          }
          expect(answered.size).toBe(settled.size);
        } else if (tag !== undefined) {
          open.delete(tag);
          if (act === 'settle') settled.add(tag);
          settlements[act](tag);
        }
      }
    }),
  );
});
