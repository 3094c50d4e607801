/**
 * Requests to admit or remove a member that wait for a committed list: each is answered when the
 * newest committed list says what it asked for. A later request for the opposite supersedes it.
 */
import type { ChangeMember, MasterEffect } from '../events';
import { refused } from '../refusals';

export class PendingChanges {
  private changes: (ChangeMember & { readonly isNew: boolean })[] = [];

  /** @param isMember is the node a member in the newest list, committed or not? */
  add(change: ChangeMember, isMember: boolean, out: MasterEffect[]): void {
    const isOpposite = ({ node, type }: ChangeMember) => node === change.node && type !== change.type;
    for (const { request } of this.changes.filter(isOpposite))
      out.push({ do: 'memberChange', request, outcome: { outcome: 'superseded' } });
    this.changes = this.changes.filter((each) => !isOpposite(each));
    this.changes.push({ ...change, isNew: isMember === (change.type === 'remove') });
  }

  /** The newest list is committed: `members` are its members. */
  finish(members: readonly string[], out: MasterEffect[]): void {
    if (this.changes.length === 0) return;
    const done = this.changes.filter(({ type, node }) => members.includes(node) === (type === 'admit'));
    this.changes = this.changes.filter((each) => !done.includes(each));
    for (const { type, request, node, isNew } of done) {
      if (type === 'remove') out.push({ do: 'removeMember', node });
      out.push({ do: 'memberChange', request, outcome: { outcome: 'done', isNew } });
    }
  }

  /** The reign ends: what becomes of a change is decided by the next one. */
  end(problem: 'shutting-down' | 'deposed', out: MasterEffect[]): void {
    const detail = 'This reign has ended; ask the next master who the members are.';
    const situation = { quorum: { required: 0, alive: 0, ok: false }, missing: [] };
    for (const { request } of this.changes.splice(0))
      out.push({ do: 'memberChange', request, outcome: refused(problem, detail, situation) });
  }
}
