/**
 * A Koa app behind a real listening server, and requests to it that may be as odd as a test needs.
 */
import { type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type Koa from 'koa';
import pino, { type Logger } from 'pino';
import { HttpServer } from '#http/server';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  readonly json: () => Record<string, unknown>;
}

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
}

/** Everything a service logged, as objects. */
export class LogLines {
  readonly lines: Record<string, unknown>[] = [];
  readonly logger: Logger;

  constructor(level = 'debug') {
    this.logger = pino({ level }, { write: (line: string) => this.lines.push(JSON.parse(line)) });
  }
}

export class HttpService {
  private constructor(
    readonly server: HttpServer,
    readonly port: number,
    readonly url: string,
  ) {}

  static async start(
    createApp: (server: HttpServer) => Koa,
    logger = new LogLines().logger,
    connectionsMax?: number,
  ): Promise<HttpService> {
    const server = new HttpServer(logger, connectionsMax);
    const { port, url } = await server.listen(createApp(server), { host: '127.0.0.1', port: 0 });
    return new HttpService(server, port, url);
  }

  async stop(): Promise<void> {
    await this.server.close({ withinMs: 0 });
  }

  /** Sends one request on a connection of its own. */
  ask({ method = 'GET', path, headers = {}, body }: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ port: this.port, host: '127.0.0.1', method, path, headers, agent: false });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text) as Record<string, unknown>,
          });
        });
      });
      // As bytes: Node would send headers and a string body in one piece, in the encoding of the
      // body.
      outgoing.end(typeof body === 'string' ? Buffer.from(body) : body);
    });
  }

  /** Sends a value as JSON. */
  send(method: string, path: string, value: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const body = JSON.stringify(value);
    return this.ask({ method, path, headers: { 'Content-Type': 'application/json', ...headers }, body });
  }

  /** An open connection to write whatever bytes to. */
  connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => resolve(socket));
      socket.once('error', reject);
    });
  }
}

/** Everything that comes on a connection until it ends. */
export async function readToEnd(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
