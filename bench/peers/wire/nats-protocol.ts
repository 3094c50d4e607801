/**
 * The text protocol of NATS, as much of it as publishing to JetStream needs (docs.nats.io, "Client
 * Protocol").
 */
import type { AnswerReader } from './peer-socket';

const END = '\r\n';

interface Publication {
  readonly subject: string;
  /** Where the answer goes. */
  readonly reply: string;
  readonly payload: string;
}

/**
 * Without the echo of our own, with a refusal (status 503) where nobody listens; ends in a PING,
 * whose PONG says that it was taken.
 */
export function greeting(inbox: string): Buffer {
  const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: 'bench', version: '0' };
  return Buffer.from(`CONNECT ${JSON.stringify(options)}${END}SUB ${inbox} 1${END}PING${END}`);
}

export const PONG = Buffer.from(`PONG${END}`);

export function publish({ subject, reply, payload }: Publication): Buffer {
  return Buffer.from(`PUB ${subject} ${reply} ${Buffer.byteLength(payload)}${END}${payload}${END}`);
}

/** Answers are the payloads of messages, and 'PONG'. */
export class MessageReader implements AnswerReader<string> {
  private received = '';

  /** @param onPing the server asks whether we are alive */
  constructor(private readonly onPing: () => void) {}

  take(data: Buffer): string[] {
    this.received = this.received === '' ? data.toString('latin1') : this.received + data.toString('latin1');
    const answers: string[] = [];
    let from = 0;
    for (let end = this.takeOne(from, answers); end > from; end = this.takeOne(from, answers)) from = end;
    this.received = this.received.slice(from);
    return answers;
  }

  /** @returns where the next one begins; `from` when this one has not arrived whole */
  private takeOne(from: number, answers: string[]): number {
    const lineEnd = this.received.indexOf(END, from);
    if (lineEnd < 0) return from;
    const line = this.received.slice(from, lineEnd);
    const next = lineEnd + END.length;
    if (line.startsWith('MSG ')) {
      const length = Number(line.slice(line.lastIndexOf(' ') + 1));
      const end = next + length + END.length;
      if (this.received.length < end) return from;
      answers.push(this.received.slice(next, next + length));
      return end;
    }
    if (line === 'PONG') answers.push(line);
    else if (line === 'PING') this.onPing();
    else if (line.startsWith('-ERR') || line.startsWith('HMSG ')) throw new Error(`nats answered: ${line}`);
    return next;
  }
}

/** What JetStream says to a publication: `{"stream":…,"seq":…}`, or an error. */
export function checkStored(answer: string): void {
  if (answer.includes('"error"') || !answer.includes('"seq"')) throw new Error(`JetStream answered: ${answer}`);
}

/**
 * JetStream syncs each write before it answers since this version; before, its files are synced
 * every two minutes.
 */
export const SYNC_ALWAYS_SINCE = [2, 10] as const;

export interface NatsNode {
  readonly name: string;
  readonly port: number;
  readonly clusterPort: number;
  readonly storeDir: string;
}

/** A server's configuration file. */
export function natsConfiguration(node: NatsNode, all: readonly NatsNode[], syncsAlways: boolean): string {
  return [
    `server_name: ${node.name}`,
    `listen: "127.0.0.1:${node.port}"`,
    `jetstream { store_dir: ${JSON.stringify(node.storeDir)}${syncsAlways ? ', sync_interval: always' : ''} }`,
    'cluster {',
    '  name: bench',
    `  listen: "127.0.0.1:${node.clusterPort}"`,
    `  routes: [${all.map(({ clusterPort }) => `"nats://127.0.0.1:${clusterPort}"`).join(', ')}]`,
    '}',
    '',
  ].join('\n');
}
