/**
 * Keeps the log that each heard node reports. Before a reign these reports decide three questions:
 * is there a log at all, which log may this master adopt, and from which node would an operator's
 * force begin.
 *
 * If only a minority of a log's voters is heard, the log may be a stray: an old disk, or a copy. So
 * a master that knows of no log, or only of an earlier branch, adopts a log once it has heard a
 * majority of the voters in that log's newest configuration, or when the settings or a force name
 * it.
 */
import { extendsLog, type Identity, isPrefixOf } from '#protocol/identity';
import { isAtLeastAsUpToDate, type LogEnd } from '#protocol/log/outline';
import type { Voter } from '#protocol/record';
import { isMajority, sameVoter } from '#protocol/voters';
import { endOf, type MessageOf, type WireMessage } from '#protocol/wire/messages';

/** The log of a node and its store, as the node's messages say. */
export interface HeardLog extends Voter {
  /** The log that the node belongs to; null: it is blank. */
  readonly log: Identity | null;
  /** End of its records; index 0 and no log until the node has reported it. */
  readonly end: LogEnd;
  /** Seq of its last entry; 0: none. */
  readonly lastSeq: number;
  /** Voters of its newest configuration; empty: it has none, or has not reported them. */
  readonly voters: readonly Voter[];
}

/** More nodes than a log has. The node that was heard longest ago is dropped. */
const HEARD_MAX = 1_024;

/** The reports of the nodes that were heard lately. Times are milliseconds. */
export class HeardLogs {
  private readonly heard = new Map<string, { readonly at: number; readonly log: HeardLog }>();

  /** @param keptMs a report that was not repeated for so long is forgotten */
  constructor(private readonly keptMs: number) {}

  /** Takes the report in a message, if the message has one. */
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

  /** The connection is lost: nodes that are up will be heard again. */
  clear(): void {
    this.heard.clear();
  }

  /** The reports that are not older than `keptMs`. */
  all(now: number): readonly HeardLog[] {
    for (const [node, { at }] of [...this.heard]) if (now - at > this.keptMs) this.heard.delete(node);
    return [...this.heard.values()].map(({ log }) => log);
  }

  /** Nodes that hold or have followed another log than `own`. */
  holders(now: number, own: Identity | null): readonly HeardLog[] {
    return this.all(now).filter(({ log }) => log !== null && log !== own);
  }

  /**
   * The longest log that extends `own` and of which a majority of its voters was heard.
   * @returns null when there is none, or when there are several that do not extend each other
   */
  adoptable(now: number, own: Identity | null, self: Voter): Identity | null {
    const all = this.all(now);
    const adoptable = identitiesOf(all, own).filter((identity) => hasMajority(all, identity, self));
    return longestOf(adoptable);
  }

  /**
   * The most up-to-date log, which a force would take.
   * @returns null when no node has one, or when there are several that do not extend each other
   */
  best(now: number, own: Identity | null): HeardLog | null {
    const candidates = this.candidates(now, own);
    if (this.isAmbiguous(now, own)) return null;
    return candidates.reduce<HeardLog | null>(
      (best, each) => (best === null || !isAtLeastAsUpToDate(best.end, each.end) ? each : best),
      null,
    );
  }

  /** Were several logs or branches heard, of which this node could take any? */
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
 * Was a majority of the log's voters heard, each with the store that has the vote and with this
 * log? The voters are those that the most up-to-date holder reports.
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
