import { ALIVE, Throne, throneOfThree } from './throne';

describe('a change of the list', () => {
  test('comes one at a time, each after the last is committed', () => {
    const throne = new Throne(['s1', 's2']);
    let wanted = throne.members;
    const change = (): boolean => {
      let changed = false;
      throne.do((out) => {
        changed = throne.reign.changeList({ members: wanted, ...ALIVE }, out);
      });
      throne.store();
      return changed;
    };
    throne.begin();
    throne.ack('s1');
    throne.ack('s2');
    expect(change()).toBe(true);
    expect(throne.reign.list.voters).toHaveLength(3);
    wanted = ['s1'];
    expect(change()).toBe(false);
    throne.ack('s1');
    throne.ack('s2');
    expect(change()).toBe(true);
    expect(throne.reign.list.members).toEqual(['s1']);
    expect(throne.reign.list.voters).toHaveLength(2);
  });

  test('takes in nobody who lacks a committed record or is not up', () => {
    const throne = new Throne(['s1']);
    throne.begin();
    throne.ack('s1', 1);
    const changed = (isAlive: boolean): boolean => {
      let result = false;
      throne.do((out) => {
        result = throne.reign.changeList({ members: ['s1'], isAlive: () => isAlive }, out);
      });
      return result;
    };
    expect(changed(true)).toBe(false);
    throne.ack('s1');
    expect(changed(false)).toBe(false);
    expect(changed(true)).toBe(true);
  });

  test('a member that is removed is waited for no more, and the removal is told when it is committed', () => {
    const throne = throneOfThree();
    const all = throne.append('text', 'all');
    throne.store();
    throne.ack('s1');
    expect(throne.outcomeOf(all)).toBeNull();
    throne.do((out) => throne.reign.awaitChange({ type: 'remove', request: 900, node: 's2' }, out));
    throne.do((out) => throne.reign.changeList({ members: ['s1'], ...ALIVE }, out));
    expect(throne.outcomeOf(all)).toBe('acknowledged');
    const isRemoved = (): boolean =>
      throne.effects.some((effect) => effect.do === 'removeMember' && effect.node === 's2');
    throne.store();
    expect(isRemoved()).toBe(false);
    throne.ack('s1');
    expect(isRemoved()).toBe(true);
    const outcome = { outcome: 'done', isNew: true };
    expect(throne.effects).toContainEqual({ do: 'memberChange', request: 900, outcome });
    expect(throne.reign.list.removed).toEqual(['s2']);
  });

  test('that takes a node in is told when it is committed, and takes no queue away', () => {
    const throne = throneOfThree();
    const told = () => throne.effects.filter((effect) => effect.do === 'memberChange');
    throne.do((out) => throne.reign.awaitChange({ type: 'admit', request: 901, node: 's3' }, out));
    throne.do((out) => throne.reign.changeList({ members: ['s1', 's2', 's3'], ...ALIVE }, out));
    throne.store();
    expect(throne.reign.list.members).toEqual(['s1', 's2', 's3']);
    expect(told()).toEqual([]);
    throne.ack('s1');
    expect(told()).toEqual([{ do: 'memberChange', request: 901, outcome: { outcome: 'done', isNew: true } }]);
    expect(throne.effects.map((effect) => effect.do)).not.toContain('removeMember');
  });

  test('without members nothing is kept for them: what is published to the next one has no hole', () => {
    const throne = new Throne(['s1']);
    const change = (members: readonly string[]): void => {
      throne.do((out) => throne.reign.changeList({ members, ...ALIVE }, out));
      throne.store();
      throne.ack('s1');
    };
    throne.begin();
    throne.ack('s1');
    change(['s1']);
    throne.published();
    throne.append('waits', 1);
    throne.store();
    change([]);
    expect(throne.reign.list.members).toEqual([]);
    throne.append('alone', 1);
    throne.store();
    expect(throne.published()).toEqual([]);
    change(['s1']);
    throne.append('again', 1);
    throne.store();
    const { lastIndex } = throne.log.outline;
    expect(throne.published()).toEqual([lastIndex - 1, lastIndex]);
  });
});
