import type { MasterEffect } from '#master/core/events';
import { PendingIds } from '#master/core/leadership/pending-ids';
import { PublishWindow } from '#master/core/leadership/publish-window';
import { Reign } from '#master/core/leadership/reign';
import { AckTracker } from '#master/core/members/ack-tracker';
import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';

const TS = '2026-01-01T00:00:00.000Z';

/** Sizes of the groups that went to the store. */
function groupsOf(effects: readonly MasterEffect[]): number[] {
  return effects.flatMap((effect) => (effect.do === 'store' ? [effect.records.length] : []));
}

describe('appends of one turn', () => {
  const log = new ReplicaLog({ outline: new LogOutline(), checksum: 0, commit: 0 });
  const parts = { log, window: new PublishWindow(), positions: new AckTracker(), pending: new PendingIds() };
  const id = { epoch: 1, reign: '0123456789abcdef' };
  const reign = new Reign(id, { node: 'master', store: 'm' }, parts, {
    forced: false,
    withoutQuorum: false,
  });
  let requests = 0;

  const append = (holds: boolean, out: MasterEffect[]) => {
    requests += 1;
    const entries = [{ message: 'm', id: null }];
    reign.append({ type: 'append', request: requests, entries, ts: TS, writeConcern: 1, deferFlush: holds }, out);
  };

  it('make one group, which goes to the store at the turn’s end', () => {
    const out: MasterEffect[] = [];
    reign.begin([], []);
    log.recordStored(0, 0);
    append(true, out);
    append(true, out);
    expect(groupsOf(out)).toEqual([]);
    log.flush(out);
    expect(groupsOf(out)).toEqual([2]);
  });

  it('wait for nobody who does not hold them', () => {
    const out: MasterEffect[] = [];
    log.recordStored(0, 0);
    append(false, out);
    expect(groupsOf(out)).toEqual([1]);
    log.flush(out);
    expect(groupsOf(out)).toEqual([1]);
  });
});
