import { ReignHarness, reignOfThree } from '../reign-harness';

describe('a change of the list', () => {
  test('comes one at a time, each after the last is committed', () => {
    const harness = new ReignHarness(['s1', 's2']);
    const change = (): boolean => {
      const changed = harness.changeList();
      harness.store();
      return changed;
    };
    harness.begin();
    harness.hear('s1', 's2');
    harness.ack('s1');
    harness.ack('s2');
    expect(change()).toBe(true);
    expect(harness.list.voters).toHaveLength(3);
    harness.membership.want({ type: 'remove', node: 's2' });
    expect(change()).toBe(false);
    harness.ack('s1');
    harness.ack('s2');
    expect(change()).toBe(true);
    expect(harness.list.members).toEqual(['s1']);
    expect(harness.list.voters).toHaveLength(2);
  });

  test('takes in nobody who lacks a committed record or is not up', () => {
    const harness = new ReignHarness(['s1']);
    harness.begin();
    harness.ack('s1', 1);
    harness.hear('s1');
    expect(harness.changeList()).toBe(false);
    const silent = new ReignHarness(['s1']);
    silent.begin();
    silent.ack('s1');
    expect(silent.changeList()).toBe(false);
    silent.hear('s1');
    expect(silent.changeList()).toBe(true);
  });

  test('a member that is removed is waited for no more, and the removal is told when it is committed', () => {
    const harness = reignOfThree();
    const all = harness.append('text', 'all');
    harness.store();
    harness.ack('s1');
    expect(harness.outcomeOf(all)).toBeNull();
    harness.do((out) => harness.reign.awaitChange({ type: 'remove', request: 900, node: 's2' }, out));
    harness.membership.want({ type: 'remove', node: 's2' });
    harness.changeList();
    expect(harness.outcomeOf(all)).toBe('acknowledged');
    const isRemoved = (): boolean =>
      harness.effects.some((effect) => effect.do === 'removeMember' && effect.node === 's2');
    harness.store();
    expect(isRemoved()).toBe(false);
    harness.ack('s1');
    expect(isRemoved()).toBe(true);
    const outcome = { outcome: 'done', isNew: true };
    expect(harness.effects).toContainEqual({ do: 'memberChange', request: 900, outcome });
    expect(harness.list.removed).toEqual(['s2']);
  });

  test('that takes a node in is told when it is committed, and takes no queue away', () => {
    const harness = reignOfThree();
    const told = () => harness.effects.filter((effect) => effect.do === 'memberChange');
    harness.do((out) => harness.reign.awaitChange({ type: 'admit', request: 901, node: 's3' }, out));
    harness.membership.want({ type: 'admit', node: 's3' });
    harness.changeList();
    harness.store();
    expect(harness.list.members).toEqual(['s1', 's2', 's3']);
    expect(told()).toEqual([]);
    harness.ack('s1');
    expect(told()).toEqual([{ do: 'memberChange', request: 901, outcome: { outcome: 'done', isNew: true } }]);
    expect(harness.effects.map((effect) => effect.do)).not.toContain('removeMember');
  });

  test('without members nothing is kept for them: what is published to the next one has no hole', () => {
    const harness = new ReignHarness(['s1']);
    const change = (): void => {
      harness.changeList();
      harness.store();
      harness.ack('s1');
    };
    harness.begin();
    harness.hear('s1');
    harness.ack('s1');
    change();
    harness.published();
    harness.append('waits', 1);
    harness.store();
    harness.membership.want({ type: 'remove', node: 's1' });
    change();
    expect(harness.list.members).toEqual([]);
    harness.append('alone', 1);
    harness.store();
    expect(harness.published()).toEqual([]);
    harness.membership.want({ type: 'admit', node: 's1' });
    change();
    harness.append('again', 1);
    harness.store();
    const { lastIndex } = harness.log.outline;
    expect(harness.published()).toEqual([lastIndex - 1, lastIndex]);
  });
});
