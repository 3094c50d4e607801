import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { MachineDriver } from '#process/driver';
import { stepped } from '#process/steps';

test('every effect of a step is performed, in order, before the next event is taken', () => {
  const done: string[] = [];
  const driver: MachineDriver<string, string> = new MachineDriver({
    step: (_, event) => {
      done.push(`step ${event}`);
      return event === 'a' ? ['a1', 'a2'] : [`${event}1`];
    },
    perform: (effect) => {
      done.push(effect);
      if (effect === 'a1') driver.dispatch('b');
    },
    fail: (error) => {
      throw error;
    },
  });
  driver.dispatch('a');
  expect(done).toEqual(['step a', 'a1', 'a2', 'step b', 'b1']);
});

test('events that an effect sets off are taken in the order in which they came', () => {
  const done: string[] = [];
  const driver: MachineDriver<string, string> = new MachineDriver({
    step: (_, event) => (event === 'a' ? ['first', 'second'] : [event]),
    perform: (effect) => {
      done.push(effect);
      if (effect === 'first') driver.dispatch('b');
      if (effect === 'second') driver.dispatch('c');
    },
    fail: (error) => {
      throw error;
    },
  });
  driver.dispatch('a');
  expect(done).toEqual(['first', 'second', 'b', 'c']);
});

test('time never goes back between two steps', () => {
  const times: number[] = [];
  const driver = new MachineDriver<number, never>({
    step: (now) => {
      times.push(now);
      return [];
    },
    perform: () => undefined,
    fail: () => undefined,
  });
  for (let event = 0; event < 100; event += 1) driver.dispatch(event);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times).toHaveLength(100);
});

test.each(['step', 'perform'] as const)(
  'an exception in %s is reported once, and performs nothing further',
  (where) => {
    const broken = new Error('broken invariant');
    const performed: string[] = [];
    const failures: unknown[] = [];
    const driver = new MachineDriver<string, string>({
      step: () => {
        if (where === 'step') throw broken;
        return ['a', 'b'];
      },
      perform: (effect) => {
        performed.push(effect);
        throw broken;
      },
      fail: (error) => failures.push(error),
    });
    driver.dispatch('event');
    expect(failures).toEqual([broken]);
    expect(performed).toEqual(where === 'step' ? [] : ['a']);
  },
);

test('a subscriber of the steps gets each event with its effects, before any of them is performed', () => {
  const seen: unknown[] = [];
  const subscriber = (message: unknown) => seen.push(message);
  subscribe(String(stepped.name), subscriber);
  const driver = new MachineDriver<string, string>({
    step: (_, event) => [`${event}1`, `${event}2`],
    perform: (effect) => seen.push(effect),
    fail: (error) => {
      throw error;
    },
  });
  driver.dispatch('a');
  unsubscribe(String(stepped.name), subscriber);
  driver.dispatch('b');
  expect(seen).toEqual([{ event: 'a', effects: ['a1', 'a2'] }, 'a1', 'a2', 'b1', 'b2']);
});
