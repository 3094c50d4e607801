/** What a person does to a broker in its management UI: a policy, the end of all connections. */
import { eventually } from '../eventually';

const ANSWER_MS = 15_000;
const VHOST = '%2F';

export interface Policy {
  /** Of queues, a regular expression. */
  readonly pattern: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

export class ManagementApi {
  private readonly origin: string;
  private readonly authorization: string;

  /** @param url with user and password */
  constructor(url: string) {
    const { origin, username, password } = new URL(url);
    this.origin = origin;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
  }

  async setPolicy(name: string, { pattern, definition }: Policy): Promise<void> {
    await this.ask('PUT', `policies/${VHOST}/${name}`, { pattern, definition, 'apply-to': 'queues' });
  }

  async deletePolicy(name: string): Promise<void> {
    await this.ask('DELETE', `policies/${VHOST}/${name}`);
  }

  /**
   * The names of all connections, once it lists at least `count`: it learns of a new one some
   * seconds late.
   */
  connections(count: number): Promise<string[]> {
    return eventually(`the management api lists ${count} connections`, async () => {
      const found = (await (await this.ask('GET', 'connections')).json()) as { name: string }[];
      expect(found.length).toBeGreaterThanOrEqual(count);
      return found.map(({ name }) => name);
    });
  }

  async closeConnections(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.ask('DELETE', `connections/${encodeURIComponent(name)}`)));
  }

  private async ask(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = { authorization: this.authorization, 'content-type': 'application/json' };
    const options = { method, headers, signal: AbortSignal.timeout(ANSWER_MS) };
    const response = await fetch(
      `${this.origin}/api/${path}`,
      body === undefined ? options : { ...options, body: JSON.stringify(body) },
    );
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${path}: ${response.status}`);
    return response;
  }
}
