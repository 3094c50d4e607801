/**
 * Converts the core's answer to the outcome of each kind of request. Throws for an answer that the
 * kind cannot end with.
 */
import type { BulkOutcome, ConcernOutcome, SectionOutcome } from './core/append';
import type { Answer } from './core/events';

/** An answer that says what became of the request; `unreadable` is an error instead. */
export type Told = Exclude<Answer, { outcome: 'unreadable' }>;

/** The outcome of a single append, or of lines, without the entries. */
export function sectionOutcomeOf(answer: Told): SectionOutcome {
  switch (answer.outcome) {
    case 'acknowledged': {
      const { repeated, seq, w, acks } = answer;
      return { outcome: 'acknowledged', repeated, seq, w, acks };
    }
    case 'unresolved':
      return unresolved(answer);
    case 'id-conflict':
      return { outcome: 'id-conflict', seq: answer.seq };
    case 'id-reserved':
      return { outcome: 'id-reserved' };
    case 'too-large':
      return { outcome: 'too-large', bytesMax: answer.bytesMax };
    case 'unsatisfiable':
    case 'refused':
      return answer;
    case 'ids-known':
    case 'no-such-entry':
    case 'split':
      throw unexpected(answer);
  }
}

/** @param count of the append's entries */
export function bulkOf(answer: Told, count: number): BulkOutcome {
  switch (answer.outcome) {
    case 'acknowledged': {
      const { repeated, first, seq: last, w, acks } = answer;
      return { outcome: 'acknowledged', repeated, first, last, count, w, acks };
    }
    case 'unresolved': {
      const { problem, first, seq: last, w, acks, stored } = answer;
      return { outcome: 'unresolved', problem, first, last, count, w, acks, stored };
    }
    case 'id-conflict':
    case 'id-reserved':
      return { outcome: 'ids-conflict', lines: answer.lines };
    case 'ids-known':
      return { outcome: 'ids-known', lines: answer.lines };
    case 'unsatisfiable':
    case 'refused':
    case 'too-large':
      return answer;
    case 'no-such-entry':
    case 'split':
      throw unexpected(answer);
  }
}

/** Null: there is no such entry. */
export function concernOutcomeOf(answer: Told): ConcernOutcome | null {
  switch (answer.outcome) {
    case 'acknowledged': {
      const { seq, w, acks } = answer;
      return { outcome: 'acknowledged', seq, w, acks };
    }
    case 'unresolved':
      return unresolved(answer);
    case 'no-such-entry':
      return null;
    case 'unsatisfiable':
    case 'refused':
      return answer;
    case 'id-conflict':
    case 'id-reserved':
    case 'ids-known':
    case 'too-large':
    case 'split':
      throw unexpected(answer);
  }
}

function unresolved({ problem, seq, id, w, acks, stored }: Extract<Told, { outcome: 'unresolved' }>) {
  return { outcome: 'unresolved', problem, seq, id, w, acks, stored } as const;
}

function unexpected({ outcome }: Told): Error {
  return new Error(`the core answered ${outcome}, which this request cannot end with`);
}
