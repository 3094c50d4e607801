/**
 * What a reader of server-sent events holds by what it was told: each entry that came, less what a
 * `reset` has taken back. Throws at the first event that breaks the promise to readers (S9):
 *
 * - entries come in order and without a gap, and those of two logs are never mixed without a reset
 * - a reader of what is committed is never told that it is cut, and never sees another entry where it saw one, in whatever order it asked nodes
 */
import type { Entry } from '#protocol/entry';
import { isForeign } from '#protocol/identity';
import { parseResumePoint } from '#protocol/resume-token';
import { Violation } from '../simulation/checks/violation';
import type { SentEvent } from '../support/http/event-stream';

export interface TailKind {
  readonly name: string;
  readonly committed: boolean;
  /** Does it name the log, once it knows it? Then no node with another one answers it. */
  readonly namesLog: boolean;
}

export class TailCopy {
  /** Reasons of the resets so far. */
  readonly resets: string[] = [];
  events = 0;
  lastEventId: string | null = null;
  /** Log that the entries held are of; null: none is held, and none was named. */
  log: string | null = null;
  /** The entry with seq s is at s − 1. */
  private readonly held: string[] = [];
  /** What was shown as committed, by log and seq: it is so for ever. */
  private readonly seen = new Map<string, string>();

  constructor(private readonly kind: Pick<TailKind, 'name' | 'committed'>) {}

  take(node: string, event: SentEvent): void {
    this.events += 1;
    if (event.type === 'error') return;
    if (event.type === 'reset') this.reset(node, event);
    else this.append(node, event);
    this.lastEventId = event.id;
  }

  /** Null: it holds exactly these entries. */
  differenceTo(texts: readonly string[]): string | null {
    const { held, lastEventId } = this;
    const { name } = this.kind;
    const at = texts.findIndex((text, index) => text !== held[index]);
    const place = `it has ${held.length} of ${texts.length} entries, the last event was ${lastEventId}`;
    if (at >= 0) return `${name} holds ${held[at] ?? 'nothing'} at seq ${at + 1}, the log ${texts[at]}; ${place}`;
    return held.length === texts.length ? null : `${name} holds entries beyond the log: ${place}`;
  }

  private reset(node: string, { id, data }: SentEvent): void {
    const { held, lastEventId } = this;
    const { name, committed } = this.kind;
    const { reason, from } = JSON.parse(data) as { reason: string; from: number };
    this.resets.push(reason);
    const said = `${node} tells ${name}, which has ${held.length} entries, the last by ${lastEventId}: ${reason}, from ${from}`;
    if (committed && reason === 'cut') throw new Violation('S9', `what is committed is cut: ${said}`);
    if (from > held.length + 1) throw new Violation('S9', `a reset leaves a hole: ${said}`);
    held.length = from - 1;
    if (held.length === 0) this.log = logIn(id);
  }

  private append(node: string, { id, data }: SentEvent): void {
    const { name, committed } = this.kind;
    const { seq } = JSON.parse(data) as Entry;
    const log = logIn(id);
    const said = `${node} sends ${name} seq ${seq} by ${id}`;
    if (log === null) throw new Violation('S9', `${said}, which names no log`);
    if (seq !== this.held.length + 1) throw new Violation('S9', `${said}, and ${this.held.length + 1} is next`);
    if (isForeign(log, this.log)) throw new Violation('S9', `${said} behind entries of ${this.log}`);
    this.log = log;
    this.held.push(data);
    if (committed) this.remember(`${log} ${seq}`, { data, said });
  }

  private remember(place: string, { data, said }: { readonly data: string; readonly said: string }): void {
    const known = this.seen.get(place);
    if (known !== undefined && known !== data)
      throw new Violation('S9', `${said}: ${data} as committed, which was ${known} before`);
    this.seen.set(place, data);
  }
}

function logIn(id: string): string | null {
  const point = parseResumePoint(id);
  return point?.kind === 'token' ? point.token.log : null;
}
