/** The text on the terminal once the cluster runs: nodes, notes, what to try. Pure. */
import type { ProvidedBroker } from '../broker/provide';
import type { NodePlan } from './node-plan';
import type { NodeHealth } from './readiness';

/** `pid` null: not running; `notReady`: why, null: it is ready; `health` null: it did not say. */
export interface GreetedNode {
  readonly plan: NodePlan;
  readonly pid: number | null;
  readonly notReady: string | null;
  readonly health: NodeHealth | null;
}

export interface GreetingFacts {
  /** The master first. */
  readonly nodes: readonly [GreetedNode, ...GreetedNode[]];
  readonly broker: Pick<ProvidedBroker, 'management' | 'describe'>;
  /** As shown; null: nothing is kept. */
  readonly dataDir: string | null;
  readonly logName: string;
  /** Id of the log that was kept in the data folder, when no node holds any of it; else null. */
  readonly goneLog: string | null;
  readonly logsDir: string;
  readonly hasApiToken: boolean;
  readonly launcherPid: number;
}

export function renderGreeting(facts: GreetingFacts): string {
  const { nodes, broker, dataDir, logsDir, hasApiToken, launcherPid } = facts;
  const [master, first] = nodes;
  // The token is for the shell to fill in: a terminal is no place for it.
  const curl = `curl${hasApiToken ? ' -H "Authorization: Bearer $API_TOKEN"' : ''}`;
  const json = `${curl} -H 'Content-Type: application/json'`;
  const table = renderTable([
    ['node', 'URL', 'state'],
    ...nodes.map(nodeRow),
    brokerRow(broker),
    dataDir === null
      ? ['data', 'in memory', 'gone when this stops']
      : ['data', dataDir, 'kept: the next npm start finds the log'],
    ['log files', logsDir, 'one for each node'],
  ]);
  const faults =
    first &&
    `
Make a secondary slow, lossy or deaf (delayMs, failRate, dropRate, duplicateRate, reorderRate, paused):
  ${json} -X PUT -d '{"delayMs": 5000}' ${first.plan.url}/faults
Stop one, and start it again:  kill ${first.pid ?? 'PID'}  and  kill -USR2 ${launcherPid}`;
  return `
${table}

${waitingNote(facts)}${absentNote(facts, curl)}Try it:
  ${json} -d '{"message": "hello"}' ${master.plan.url}/messages
  ${curl} ${nodes.at(-1)?.plan.url}/messages${faults ?? ''}

Ctrl-C stops everything.`;
}

function nodeRow({ plan, pid, notReady, health }: GreetedNode): string[] {
  const entries = health?.applied ?? health?.head ?? 0;
  const state = [
    notReady === null ? 'ready' : `not ready: ${notReady}`,
    health && `${entries} ${entries === 1 ? 'entry' : 'entries'}`,
    pid === null ? 'down' : `pid ${pid}`,
  ];
  return [plan.name, plan.url, state.filter(Boolean).join(', ')];
}

function brokerRow(broker: GreetingFacts['broker']): string[] {
  if (broker.management === undefined) return ['RabbitMQ', '', broker.describe()];
  const { origin, pathname, username, password } = new URL(broker.management);
  const login = [username, password].map(decodeURIComponent).join(' / ');
  return ['RabbitMQ UI', (origin + pathname).replace(/\/$/, ''), `log in as ${login}`];
}

/** Columns of text, aligned, with a rule below the first row. */
function renderTable([heading = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = heading.map((_, at) => Math.max(...[heading, ...rows].map((cells) => (cells[at] ?? '').length)));
  const lines = [heading, widths.map((width) => '-'.repeat(width)), ...rows];
  return lines
    .map((cells) => `  ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}

/** Who is not ready; why the master does not reign, and what only an operator can do about it. */
function waitingNote({ nodes, goneLog, dataDir, logName, hasApiToken }: GreetingFacts): string {
  const waiting = nodes.filter(({ notReady }) => notReady !== null).map(({ plan }) => plan.name);
  if (waiting.length === 0) return '';
  const note = `Not ready yet: ${waiting.join(', ')}. They go on trying; see their log files.\n\n`;
  const [{ plan, notReady, health }] = nodes;
  const loss = `the log ${goneLog} was kept in ${dataDir}, and the folder of no node holds any of it`;
  if (notReady !== null && goneLog !== null)
    return `${note}The master is recovering: ${loss}.
To go on with it, stop this, give a node its folder back, and start again.
To begin another log, stop this, delete ${dataDir}, and start again.

`;
  if (notReady === null || health?.waitingFor === undefined) return note;
  return `${note}The master is recovering: it waits for ${health.waitingFor}
It goes on by itself once that comes. If it is lost for good, see what a force would give up, and decide:
  npm run force -- --url ${plan.url} --log ${logName}${hasApiToken ? ' --token "$API_TOKEN"' : ''}

`;
}

function absentNote({ nodes: [master, ...secondaries] }: GreetingFacts, curl: string): string {
  const names = secondaries.map(({ plan }) => plan.name);
  const absent = (master.health?.secondaries ?? []).map(({ id }) => id).filter((id) => !names.includes(id));
  if (absent.length === 0) return '';
  return `Members from an earlier start: ${absent.join(', ')}. A message that waits for all waits for them too;
start as many secondaries as then (npm start -- --secondaries N), or remove each of them:
${absent.map((id) => `  ${curl} -X DELETE ${master.plan.url}/members/${id}\n`).join('')}
`;
}
