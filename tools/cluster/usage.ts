/** What `npm start -- --help` says, and the error for options that cannot be used: every fault, then the help. */
import type { SettingFault } from '#process/settings';

/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64;

export const USAGE = `Starts a replicated log on this machine: a RabbitMQ, a master and secondaries.

  npm start -- [options]

  --secondaries N       how many secondaries (2)
  --port N              the master's port; secondary-1 has the next one, and so on (8000)
  --data DIR            where the logs and RabbitMQ's data are kept (./data)
  --memory              keep nothing: logs in memory, RabbitMQ in a temporary folder
  --delay NAME=MS       the secondary waits so long before it appends (its DELAY_MS), as in --delay secondary-2=5000;
                        may be given several times
  --log-level LEVEL     what this terminal shows of the nodes' logs: fatal, error, warn, info, debug, trace, silent (warn);
                        their files have info and above, or more when LEVEL is more
  --help                this text

AMQP_URL names a RabbitMQ to use instead of one of our own. Other variables reach every node as they are: DEFAULT_W,
QUORUM_APPEND, HEARTBEAT_INTERVAL_MS, FAIL_RATE, HTTP_HOST, API_TOKEN, LOG_NAME …

The first start begins a log and keeps its id in DIR/log-id; every later start passes it to the nodes as LOG_ID, so that no
node which has lost its folder begins another log. LOG_ID in the environment is passed instead. To begin another log,
delete DIR. With --memory no id is kept, and none is passed.

A node that crashes is started again after 10 s, later after longer, 60 s at most. One that was stopped (kill PID) stays
down; kill -USR2 with the pid of npm start's process starts at once whatever is down. Ctrl-C stops everything.`;

export class UsageError extends Error {
  readonly exitCode = EXIT_USAGE;

  constructor(readonly faults: readonly SettingFault[]) {
    super(`${listOf(faults)}\n\n${USAGE}`);
    this.name = 'UsageError';
  }
}

function listOf(faults: readonly SettingFault[]): string {
  const width = Math.max(...faults.map(({ variable }) => variable.length));
  const lines = faults.map(({ variable, message }) => `  ${variable.padEnd(width)}  ${message}`);
  return [faults.length === 1 ? 'An option is wrong:' : `${faults.length} options are wrong:`, ...lines].join('\n');
}
