/**
 * The process that writes rows for callers on other nodes: the node of a pid is the origin of its
 * rows, so who registers or joins a remote pid asks here.
 */

import { MemberServer } from '../../kernel/member-server.js'
import { badRequest } from '../../kernel/remote-outcome.js'
import type { noReply } from '../../process/request.js'
import { Pid } from '../../term/pid.js'
import { isCount, isFlag, isSpan, isText } from '../replication/wire-check.js'
import { arePidsOf } from './group-calls.js'
import type { KeyRegistry } from './key-registry.js'
import type { ProcessGroups } from './process-groups.js'
import type { Replacement } from './replacements.js'

export interface RowServerParts {
  readonly registry: KeyRegistry
  readonly groups: ProcessGroups
}

export class RowServer extends MemberServer {
  static readonly callable = [
    'register',
    'unregister',
    'update',
    'replace',
    'giveUp',
    'join',
    'leave',
    'multiCall',
  ]
  private registry!: KeyRegistry
  private groups!: ProcessGroups

  override init({ registry, groups }: RowServerParts): void {
    this.registry = registry
    this.groups = groups
  }

  register(
    key: unknown,
    pid: Pid,
    force: boolean,
    meta: unknown,
    timeoutMs: number,
    sync: boolean,
  ): typeof noReply {
    const isValid = this.isOwn(pid) && isFlag(force) && isSpan(timeoutMs) && isFlag(sync)
    if (!isValid) return this.answer(() => badRequest('register'))
    return this.answer(() => this.registry.register(key, pid, { force, meta, timeoutMs, sync }))
  }

  update(key: unknown, meta: unknown): typeof noReply {
    return this.answer(() => this.registry.update(key, meta))
  }

  replace(wanted: Replacement): typeof noReply {
    if (!isReplacement(wanted) || !this.isOwn(wanted.newPid))
      return this.answer(() => badRequest('replace'))
    return this.answer(() => this.registry.replaceHere(wanted))
  }

  giveUp(key: unknown, epoch: number, by: Pid): typeof noReply {
    if (!isCount(epoch) || !(by instanceof Pid)) return this.answer(() => badRequest('giveUp'))
    return this.answer(() => this.registry.giveUp(key, epoch, by))
  }

  unregister(key: unknown): typeof noReply {
    return this.answer(() => this.registry.unregister(key))
  }

  join(group: unknown, pid: Pid, meta: unknown): typeof noReply {
    if (!this.isOwn(pid)) return this.answer(() => badRequest('join'))
    return this.answer(() => this.groups.join(group, pid, { meta: meta ?? undefined }))
  }

  leave(group: unknown, pid: Pid): typeof noReply {
    if (!this.isOwn(pid)) return this.answer(() => badRequest('leave'))
    return this.answer(() => this.groups.leave(group, pid))
  }

  /** Calls processes of this node, members of a group, and answers for all of them. */
  multiCall(pids: Pid[], method: string, args: unknown[], timeoutMs: number): typeof noReply {
    const isValid = arePidsOf(pids, this.citadel.name) && isText(method) && Array.isArray(args)
    if (!isValid || !isSpan(timeoutMs)) return this.answer(() => badRequest('multiCall'))
    return this.answer(() => this.groups.callHere(pids, method, args, timeoutMs))
  }

  /** Only rows of processes of this node are written here; what others are is not asked further. */
  private isOwn(pid: unknown): boolean {
    return pid instanceof Pid && pid.node === this.citadel.name
  }
}

function isReplacement(value: unknown): value is Replacement {
  if (typeof value !== 'object' || value === null) return false
  const { oldPid, newPid, epoch, meta, timeoutMs } = value as Partial<Replacement>
  const arePids = oldPid instanceof Pid && newPid instanceof Pid
  return arePids && isCount(epoch) && Array.isArray(meta) && meta.length <= 1 && isSpan(timeoutMs)
}
