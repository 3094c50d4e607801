/**
 * What our brokers are told, and why: the settings that every RabbitMQ of this project shares (a
 * private node, a container, the compose file's) and those of a private node alone. All of them
 * exist in RabbitMQ 3.10 as well as in 4.x: an unknown key would keep the broker from starting, so
 * newer conveniences are left out.
 *
 * `rabbitmq/rabbitmq.conf` is the rendering of the shared part, for whoever mounts a file; a test
 * keeps the two equal.
 */

export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly why: string;
}

export const sharedSettings: readonly Setting[] = [
  {
    key: 'raft.wal_max_size_bytes',
    value: String(64 * 1024 * 1024),
    why: 'Quorum queues write through one log that is preallocated and held in memory tables up to this size. The default of 512 MiB is meant for servers.',
  },
  {
    key: 'heartbeat',
    value: '10',
    why: 'Seconds. A half-open connection keeps its exclusive queue until the heartbeat expires; the default of 60 would make a crashed node wait a minute to come back. Clients may ask for less.',
  },
  {
    key: 'disk_free_limit.absolute',
    value: '50MB',
    why: 'Below this much free disk the broker blocks every publisher. A laptop is often nearly full; the log is limited by the queues, not by this.',
  },
  {
    key: 'vm_memory_high_watermark.relative',
    value: '0.4',
    why: 'The default of 3.10, named because 4.x has another: the point at which publishers are blocked should not depend on the version.',
  },
];

export interface NodePorts {
  readonly amqp: number;
  readonly management: number;
}

/** A private node listens on loopback alone, so that its guest user is nobody else's. */
export function privateNodeSettings(ports: NodePorts): readonly Setting[] {
  return [
    {
      key: 'listeners.tcp.local',
      value: `127.0.0.1:${ports.amqp}`,
      why: 'Only this machine, and never the default port: another RabbitMQ may live there.',
    },
    {
      key: 'management.tcp.ip',
      value: '127.0.0.1',
      why: 'The management UI, for this machine only.',
    },
    {
      key: 'management.tcp.port',
      value: String(ports.management),
      why: 'Not the default 15672, for the same reason.',
    },
    {
      key: 'log.console',
      value: 'false',
      why: 'The log is a file in the data folder; the console belongs to whoever started us.',
    },
    {
      key: 'log.file.level',
      value: 'info',
      why: 'Lifecycle and connections. Debug would hide the line that explains a failure.',
    },
    {
      key: 'log.file.rotation.size',
      value: String(10 * 1024 * 1024),
      why: 'Bytes. The default never rotates, and everything that can grow has a limit.',
    },
    {
      key: 'log.file.rotation.count',
      value: '2',
      why: 'Old files kept.',
    },
  ];
}

/** The text of a rabbitmq.conf: every setting below the comment that gives its reason. */
export function renderSettings(title: string, settings: readonly Setting[]): string {
  const blocks = settings.map(({ key, value, why }) => `${comment(why)}\n${key} = ${value}\n`);
  return [`${comment(title)}\n`, ...blocks].join('\n');
}

/** Wrapped at 100 columns; a newline inside would end the comment, so white space is one space. */
function comment(text: string): string {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(/\s+/)) {
    if (line.length + 1 + word.length > 100) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
