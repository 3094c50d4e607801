/**
 * A node of a log as its users see it: an address that answers HTTP. Whether it is a process or a
 * container does not matter here.
 */
import type { Entry } from '#protocol/entry';
import { eventually, type Patience } from '../eventually';
import { type Answer, type Asked, ask } from './ask';

const READ_MS = 15_000;

/** Body of an append; anything may be wrong with it. */
type Append = Readonly<Record<string, unknown>>;

export class HttpNode {
  constructor(
    readonly id: string,
    readonly url: string,
  ) {}

  ask(asked: Asked): Promise<Answer> {
    return ask(this.url, asked);
  }

  get(path: string): Promise<Answer> {
    return this.ask({ path, withinMs: READ_MS });
  }

  /** Sends an append and waits as long as it takes. */
  post(append: Append, more: Pick<Asked, 'headers' | 'signal' | 'withinMs'> = {}): Promise<Answer> {
    const headers = { 'Content-Type': 'application/json', ...more.headers };
    return this.ask({ ...more, method: 'POST', path: '/messages', headers, body: JSON.stringify(append) });
  }

  async setFaults(faults: Append): Promise<void> {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await this.ask({ method: 'PUT', path: '/faults', headers, body: JSON.stringify(faults) });
    if (answer.status !== 200) throw new Error(`PUT /faults: ${answer.status} ${answer.text}`);
  }

  async entries(query = ''): Promise<Entry[]> {
    const answer = await this.get(`/messages${query}`);
    if (answer.status !== 200) throw new Error(`GET /messages: ${answer.status} ${answer.text}`);
    return JSON.parse(answer.text) as Entry[];
  }

  /** The texts that it shows, in their order. */
  async messages(): Promise<string[]> {
    return (await this.entries()).map(({ message }) => message);
  }

  /** Until it shows these texts, in this order, and no others. */
  async untilShows(texts: readonly string[], patience: Patience = {}): Promise<void> {
    const look = async () => expect(await this.messages()).toEqual(texts);
    await eventually(`${this.id} shows ${texts.join(', ')}`, look, patience);
  }

  async health<Health>(): Promise<Health> {
    return (await this.get('/health')).json() as Health;
  }
}
