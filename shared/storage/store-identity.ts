/**
 * Which log a store holds: read from its records, compared with what the node is configured for,
 * and never exchanged for another.
 */
import { type Identity, isPrefixOf } from '#protocol/identity';
import type { LogOutline } from '#protocol/log/outline';

/**
 * Identity by the records; null: there are none, or the first one is not the control record of its
 * epoch.
 */
export function identityOfRecords(outline: LogOutline): Identity | null {
  return outline.identity === '' ? null : outline.identity;
}

/**
 * Throws when a store of the log `known` is told that it holds `next`, and that is not the same log
 * or a later branch of it.
 */
export function checkExtends(known: Identity | null, next: Identity | null): void {
  if (!isPrefixOf(known, next)) {
    throw new Error(`a store of log ${known} cannot become one of log ${next}: an identity is only ever extended`);
  }
}

/**
 * The folder holds another log than the one that the node is configured for. Nothing in it was
 * changed.
 */
export class ForeignStoreError extends Error {
  /** EX_CONFIG of sysexits.h. */
  readonly exitCode = 78;

  constructor(facts: {
    readonly directory: string;
    readonly setting: 'LOG_NAME' | 'LOG_ID';
    /** What the store says. */
    readonly found: string;
    /** What the setting says. */
    readonly configured: string;
  }) {
    const { directory, setting, found, configured } = facts;
    super(
      `${directory} holds the log with ${setting} ${found}, but ${setting} is set to ${configured}. Nothing was changed. ` +
        `To go on with the log in this folder, set ${setting}=${found}; to take part in the other log, set DATA_DIR to another folder.`,
    );
    this.name = 'ForeignStoreError';
  }
}
