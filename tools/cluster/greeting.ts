/**
 * What is on the terminal once the cluster runs: the table, what is worth knowing about it, and
 * what to try. Pure.
 */
import type { BrokerAddress, NodePlan } from './node-plan';
import type { NodeHealth, Readiness } from './readiness';

export interface GreetedNode {
  readonly plan: NodePlan;
  /** null: it is not running at this moment. */
  readonly pid: number | null;
  readonly readiness: Readiness;
  /** null: it did not say. */
  readonly health: NodeHealth | null;
}

export interface GreetingFacts {
  /** The master first. */
  readonly nodes: readonly GreetedNode[];
  readonly broker: BrokerAddress & { readonly description: string };
  /** As shown; null: nothing is kept. */
  readonly dataDir: string | null;
  readonly logName: string;
  /**
   * Id of the log that was kept in the data folder, when the folder of no node holds any of it;
   * null: that is not so.
   */
  readonly goneLog: string | null;
  readonly logsDir: string;
  readonly hasApiToken: boolean;
  readonly launcherPid: number;
}

export function renderGreeting(facts: GreetingFacts): string {
  const table = renderTable(
    ['node', 'URL', 'state'],
    [...facts.nodes.map(nodeRow), brokerRow(facts.broker), ...placeRows(facts)],
  );
  return ['', table, '', ...warnings(facts), ...hints(facts)].join('\n');
}

function nodeRow({ plan, pid, readiness, health }: GreetedNode): string[] {
  const parts = [
    readiness.ready ? 'ready' : `not ready: ${readiness.reason}`,
    ...(health === null ? [] : [countOf(health.entries)]),
    ...(plan.delayMs === 0 ? [] : [`appends after ${plan.delayMs} ms`]),
    pid === null ? 'down' : `pid ${pid}`,
  ];
  return [plan.name, plan.url, parts.join(', ')];
}

function countOf(entries: number): string {
  return entries === 1 ? '1 entry' : `${entries} entries`;
}

function brokerRow({ management, description }: GreetingFacts['broker']): string[] {
  if (management === undefined) return ['RabbitMQ', '', description];
  const { url, user, password } = management;
  return ['RabbitMQ UI', url, `log in as ${user} / ${password}`];
}

function placeRows({ dataDir, logsDir }: GreetingFacts): string[][] {
  return [
    dataDir === null
      ? ['data', 'in memory', 'gone when this stops']
      : ['data', dataDir, 'kept: the next npm start finds the log'],
    ['log files', logsDir, 'one for each node'],
  ];
}

function warnings(facts: GreetingFacts): string[] {
  const { nodes, hasApiToken } = facts;
  const waiting = nodes.filter(({ readiness }) => !readiness.ready).map(({ plan }) => plan.name);
  const [master] = nodes;
  const names = nodes.map(({ plan }) => plan.name);
  const absent = (master?.health?.members ?? []).filter((id) => !names.includes(id));
  return [
    ...(waiting.length === 0
      ? []
      : [`Not ready yet: ${waiting.join(', ')}. They go on trying; see their log files.`, '']),
    ...recoveryHints(facts),
    ...(absent.length === 0
      ? []
      : [
          `Members from an earlier start: ${absent.join(', ')}. A message that waits for all waits for them too;`,
          'start as many secondaries as then (npm start -- --secondaries N), or remove each of them:',
          ...absent.map((id) => `  curl${tokenOption(hasApiToken)} -X DELETE ${master?.plan.url}/members/${id}`),
          '',
        ]),
  ];
}

/** Why the master does not reign, and what only an operator can do about it. */
function recoveryHints({ nodes, goneLog, dataDir, logName, hasApiToken }: GreetingFacts): string[] {
  const [master] = nodes;
  if (master?.health == null || master.readiness.ready) return [];
  if (goneLog !== null)
    return [
      `The master is recovering: the log ${goneLog} was kept in ${dataDir}, and the folder of no node holds any of it.`,
      'To go on with it, stop this, give a node its folder back, and start again.',
      `To begin another log, stop this, delete ${dataDir}, and start again.`,
      '',
    ];
  const { waitingFor } = master.health;
  if (waitingFor === null) return [];
  const token = hasApiToken ? ' --token "$API_TOKEN"' : '';
  return [
    `The master is recovering: it waits for ${waitingFor}`,
    'It goes on by itself once that comes. If it is lost for good, see what a force would give up, and decide:',
    `  npm run force -- --url ${master.plan.url} --log ${logName}${token}`,
    '',
  ];
}

function hints({ nodes, hasApiToken, launcherPid }: GreetingFacts): string[] {
  const token = tokenOption(hasApiToken);
  const json = `${token} -H 'Content-Type: application/json'`;
  const [master] = nodes;
  const first = nodes.find(({ plan }) => plan.role === 'secondary');
  const last = nodes.at(-1);
  const lines = [
    'Try it:',
    `  curl${json} -d '{"message": "hello"}' ${master?.plan.url}/messages`,
    `  curl${token} ${last?.plan.url}/messages`,
  ];
  if (first !== undefined) {
    lines.push(
      'Make a secondary slow, lossy or deaf (delayMs, failRate, dropRate, duplicateRate, reorderRate, paused):',
      `  curl${json} -X PUT -d '{"delayMs": 5000}' ${first.plan.url}/faults`,
      `Stop one, and start it again:  kill ${first.pid ?? 'PID'}  and  kill -USR2 ${launcherPid}`,
    );
  }
  return [...lines, '', 'Ctrl-C stops everything.'];
}

/** For the shell to fill in: a terminal is no place for a token. */
function tokenOption(hasApiToken: boolean): string {
  return hasApiToken ? ' -H "Authorization: Bearer $API_TOKEN"' : '';
}

/**
 * Columns of text, aligned: a heading, a rule below it, the rows. Plain characters, so that every
 * terminal and file shows it.
 */
function renderTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, heading.map(() => ''), ...rows];
  const widths = heading.map((_, column) => Math.max(...lines.map((cells) => (cells[column] ?? '').length)));
  lines[1] = widths.map((width) => '-'.repeat(width));
  const cellsOf = (cells: readonly string[]) => widths.map((width, column) => (cells[column] ?? '').padEnd(width));
  return lines.map((cells) => `  ${cellsOf(cells).join('  ')}`.trimEnd()).join('\n');
}
