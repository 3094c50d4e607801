/** An inspection as lines for a terminal: one fact a line, its name in front. */
import type { Voter } from '#protocol/record';
import type { DamageFound, Inspection } from '#storage/inspect';

const NAME_WIDTH = 14;

export function summaryOf(found: Inspection): string {
  return [
    line('folder', found.directory),
    ...stateLines(found),
    line('log', found.logId ?? 'none yet: the store is blank'),
    ...(found.identity?.includes('/') === true ? [line('identity', found.identity)] : []),
    line('log name', found.logName ?? 'not recorded'),
    line('store', `${found.storeId ?? 'unknown'}${found.node === null ? '' : ` of node ${found.node}`}`),
    line('promise', promiseOf(found)),
    line('records', `${found.records}${found.records === 0 ? '' : `, the last one at index ${found.lastIndex}`}`),
    line('entries', found.lastSeq === 0 ? 'none' : `seq ${found.firstSeq} to ${found.lastSeq}`),
    line('committed', `at least up to index ${found.commit.index} (seq ${found.commit.seq})`),
    ...listLines(found),
    ...epochLines(found),
    line('files', `${counted(found.segments, 'segment')}, ${counted(found.bytes, 'byte')}`),
    ...(found.checkpoint === null ? [] : [line('checkpoint', `of the records up to index ${found.checkpoint}`)]),
    ...(found.tornBytes === 0
      ? []
      : [line('torn tail', `${counted(found.tornBytes, 'byte')}, which the next open cuts`)]),
    ...found.damages.map((damage) => line('DAMAGE', damageOf(damage))),
    ...found.setAside.map((folder) => line('set aside', folder)),
  ].join('\n');
}

function line(name: string, value: string): string {
  return `${name.padEnd(NAME_WIDTH)}${value}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function stateLines({ runningPid, salvage, isRenewalAsked, hasBeginPermission }: Inspection): string[] {
  const lines: string[] = [];
  if (runningPid !== null) {
    lines.push(line('in use', `by process ${runningPid}: its newest records may be missing here, or look torn`));
  }
  if (salvage !== null) {
    lines.push(
      line('being replaced', `since ${salvage.what} (${salvage.phase}); the old files are in ${salvage.folder}`),
    );
  }
  if (isRenewalAsked) lines.push(line('renewal', 'the next open makes a new store of this one'));
  if (hasBeginPermission) lines.push(line('permission', 'its node may begin a new log, once'));
  return lines;
}

function promiseOf({ promised }: Inspection): string {
  if (promised === null) return 'unknown';
  const { epoch, votedFor, log } = promised;
  if (epoch === 0) return 'none';
  const vote = votedFor === null ? 'no vote given' : `vote given to ${votedFor}`;
  return `epoch ${epoch}${log === null ? '' : ` of log ${log}`}, ${vote}`;
}

function listLines({ list }: Inspection): string[] {
  if (list === null) return [line('voters', 'the log has no list of members')];
  const { index, voters, members, removed, forced } = list;
  return [
    line('voters', `${namesOf(voters.map(voterOf))} (record ${index}${forced ? ', forced by an operator' : ''})`),
    line('members', namesOf(members)),
    ...(removed.length === 0 ? [] : [line('removed', namesOf(removed))]),
  ];
}

function voterOf({ node, store }: Voter): string {
  return `${node}/${store}`;
}

function namesOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

function epochLines({ epochs }: Inspection): string[] {
  return epochs.map(({ epoch, reign, firstIndex, firstSeq, lastSeq }) => {
    const entries = firstSeq === null ? 'no entry' : `seq ${firstSeq} to ${lastSeq}`;
    return line(`epoch ${epoch}`, `${reign === '' ? '(no reign)' : reign} from index ${firstIndex}, ${entries}`);
  });
}

function damageOf({ file, offset, record, what }: DamageFound): string {
  const at = offset === null ? '' : ` at byte ${offset}`;
  return `${file}${at}${record === null ? '' : `, record ${record}`}: ${what}`;
}
