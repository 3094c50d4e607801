/**
 * What every node that was heard says of the log that it holds, whatever its name: before a reign
 * it decides whether there is a log at all, which one this master may take for its own, and from
 * whom an operator's force would begin.
 *
 * A log of which only a minority of its voters is heard may be a stray: the disk of a former life,
 * a copy. So a master that knows of no log, or of an earlier branch only, adopts one once it has
 * heard a majority of the voters of the newest list that was named, or when the settings or a force
 * name it.
 */
import { extendsLog, type Identity, isPrefixOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import { isMajority, sameVoter } from '#protocol/voters';
import { endOf, type MessageOf, type WireMessage } from '#protocol/wire/messages';

export interface HeardLog extends Voter {
  /** The log that the node knows itself to belong to; null: it is blank. */
  readonly log: Identity | null;
  /** Where its records end; at nothing while it has not said so. */
  readonly end: LogEnd;
  readonly lastSeq: number;
  /** Of its newest list; empty when it has none, or has not said so. */
  readonly voters: readonly Voter[];
}

/**
 * A node's name, its store, and more than nodes that a log has: what is heard beyond it is dropped.
 */
const HEARD_MAX = 1_024;

export class HeardLogs {
  private readonly heard = new Map<string, { readonly at: number; readonly log: HeardLog }>();

  /** @param keptMs what was not said again for so long is forgotten */
  constructor(private readonly keptMs: number) {}

  record(now: number, message: WireMessage & { readonly node: string }): void {
    const log = heardIn(message, this.heard.get(message.node)?.log ?? null);
    if (log === null) return;
    this.heard.delete(message.node);
    this.heard.set(message.node, { at: now, log });
    for (const oldest of this.heard.keys()) {
      if (this.heard.size <= HEARD_MAX) break;
      this.heard.delete(oldest);
    }
  }

  /** The connection is gone: whoever is there will be heard again. */
  clear(): void {
    this.heard.clear();
  }

  all(now: number): readonly HeardLog[] {
    for (const [node, { at }] of [...this.heard]) if (now - at > this.keptMs) this.heard.delete(node);
    return [...this.heard.values()].map(({ log }) => log);
  }

  /** Nodes that hold a log, or have followed one, which is not `own`. */
  holders(now: number, own: Identity | null): readonly HeardLog[] {
    return this.all(now).filter(({ log }) => log !== null && log !== own);
  }

  /**
   * A log that goes on where `own` ends, of which a majority of its voters was heard; the longest.
   * Null: none.
   */
  adoptable(now: number, own: Identity | null, self: Voter): Identity | null {
    const all = this.all(now);
    const adoptable = identitiesOf(all, own).filter((identity) => hasMajority(all, identity, self));
    return longestOf(adoptable);
  }

  /**
   * The log that a force would take: the one whose records are most up to date. Null: nobody has
   * any, or there are several.
   */
  best(now: number, own: Identity | null): HeardLog | null {
    const candidates = this.candidates(now, own);
    if (this.isAmbiguous(now, own)) return null;
    return candidates.reduce<HeardLog | null>(
      (best, each) => (best === null || !isAtLeastAsUpToDate(best.end, each.end) ? each : best),
      null,
    );
  }

  /** Were several logs heard of, or branches, of which this node could take any? */
  isAmbiguous(now: number, own: Identity | null): boolean {
    const logs = this.candidates(now, own).flatMap(({ end }) => (end.log === null ? [] : [end.log]));
    return logs.length > 0 && longestOf(logs) === null;
  }

  private candidates(now: number, own: Identity | null): readonly HeardLog[] {
    return this.all(now).filter(({ end }) => end.log !== null && isPrefixOf(own, end.log));
  }
}

function heardIn(message: WireMessage & { readonly node: string }, known: HeardLog | null): HeardLog | null {
  const { node, log } = message;
  if (message.type === 'vote' || message.type === 'join') {
    const { store, lastSeq } = message;
    return { node, store, log, end: endOf(message), lastSeq, voters: votersIn(message, known) };
  }
  if (known !== null && known.log === log && (!('store' in message) || known.store === message.store)) return known;
  if (message.type !== 'heartbeat' && message.type !== 'ack') return null;
  const { store, applied: lastSeq } = message;
  return { node, store, log, end: NOT_SAID, lastSeq, voters: [] };
}

const NOT_SAID: LogEnd = { index: 0, epoch: 0, reign: '', log: null };

function votersIn(message: MessageOf<'vote' | 'join'>, known: HeardLog | null): readonly Voter[] {
  if (message.type === 'vote') return message.voters;
  return known !== null && sameVoter(known, message) ? known.voters : [];
}

function identitiesOf(all: readonly HeardLog[], own: Identity | null): readonly Identity[] {
  const later = all.flatMap(({ log }) => (log !== null && extendsLog(log, own) ? [log] : []));
  return [...new Set(later)];
}

/**
 * Of the voters that the most up-to-date holder names, are most heard, with the store that has the
 * vote, and in this log?
 */
function hasMajority(all: readonly HeardLog[], identity: Identity, self: Voter): boolean {
  const holders = all.filter(({ log }) => log === identity);
  const [first, ...others] = holders.filter(({ voters }) => voters.length > 0);
  if (first === undefined) return false;
  const newest = others.reduce((best, each) => (isAtLeastAsUpToDate(best.end, each.end) ? best : each), first);
  return isMajority(
    newest.voters,
    (voter) => sameVoter(voter, self) || holders.some((holder) => sameVoter(holder, voter)),
  );
}

function longestOf(identities: readonly Identity[]): Identity | null {
  const [first, ...others] = identities;
  if (first === undefined) return null;
  const longest = others.reduce((best, each) => (isPrefixOf(best, each) ? each : best), first);
  return identities.every((each) => isPrefixOf(each, longest)) ? longest : null;
}
