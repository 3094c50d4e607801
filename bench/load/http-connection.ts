/**
 * One keep-alive connection of the load generator: writes a request that was made beforehand, tells
 * when its answer is there. It looks at the status and at the length and at nothing else, since it
 * runs on the same two cores as what it measures.
 */
import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

export interface Answer {
  readonly status: number;
  /** Of the body. */
  readonly text: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

export function targetOf(url: string): Target {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

export class HttpConnection {
  private received = '';
  private waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | null =
    null;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.take(data.toString('latin1')));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the connection was closed')));
  }

  static open({ host, port }: Target): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port }, () => resolve(new HttpConnection(socket)));
      socket.once('error', reject);
    });
  }

  /** One at a time. */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.socket.write(request);
    });
  }

  close(): void {
    this.waiting = null;
    this.socket.destroy();
  }

  private take(data: string): void {
    this.received = this.received === '' ? data : this.received + data;
    const headEnd = this.received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const length = lengthIn(this.received.slice(0, headEnd));
    const end = headEnd + HEAD_END.length + length;
    if (this.received.length < end) return;
    const answer = { status: Number(this.received.slice(9, 12)), text: this.received.slice(headEnd + 4, end) };
    this.received = this.received.slice(end);
    const { waiting } = this;
    this.waiting = null;
    waiting?.resolve(answer);
  }

  private fail(error: Error): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(error);
  }
}

function lengthIn(head: string): number {
  const at = head.search(/content-length: */i);
  if (at < 0) throw new Error(`an answer without a length: ${head}`);
  return Number.parseInt(head.slice(at + 15), 10);
}

/** A request as it goes over the line. */
export function requestOf(
  method: string,
  path: string,
  body?: { readonly type: string; readonly bytes: Buffer | string },
): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n`;
  if (body === undefined) return Buffer.from(`${head}\r\n`);
  const bytes = Buffer.from(body.bytes);
  return Buffer.concat([
    Buffer.from(`${head}Content-Type: ${body.type}\r\nContent-Length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
}
