/**
 * Keeps the requests to admit or remove a member until a configuration with the change is
 * committed. A later request for the opposite change supersedes a request.
 */
import type { ChangeMember, MasterEffect } from '../events';
import { refused } from '../refusals';

/** The requests of one reign. */
export class PendingChanges {
  private changes: (ChangeMember & { readonly isNew: boolean })[] = [];

  /** @param isMember is the node a member in the newest configuration, committed or not? */
  add(change: ChangeMember, isMember: boolean, out: MasterEffect[]): void {
    const isOpposite = ({ node, type }: ChangeMember) => node === change.node && type !== change.type;
    for (const { request } of this.changes.filter(isOpposite))
      out.push({ do: 'memberChange', request, outcome: { outcome: 'superseded' } });
    this.changes = this.changes.filter((each) => !isOpposite(each));
    this.changes.push({ ...change, isNew: isMember === (change.type === 'remove') });
  }

  /** The newest configuration is committed: `members` are its members. */
  finish(members: readonly string[], out: MasterEffect[]): void {
    if (this.changes.length === 0) return;
    const done = this.changes.filter(({ type, node }) => members.includes(node) === (type === 'admit'));
    this.changes = this.changes.filter((each) => !done.includes(each));
    for (const { type, request, node, isNew } of done) {
      if (type === 'remove') out.push({ do: 'removeMember', node });
      out.push({ do: 'memberChange', request, outcome: { outcome: 'done', isNew } });
    }
  }

  /** The reign ends: the next reign decides whether a change takes effect. */
  end(problem: 'shutting-down' | 'deposed', out: MasterEffect[]): void {
    const detail = 'This reign has ended before the change was committed. Ask the next master for its members.';
    const situation = { quorum: { required: 0, alive: 0, ok: false }, missing: [] };
    for (const { request } of this.changes.splice(0))
      out.push({ do: 'memberChange', request, outcome: refused(problem, detail, situation) });
  }
}
