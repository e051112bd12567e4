/**
 * The process that writes rows for callers on other nodes: the node of a pid is the origin of its
 * rows, so who registers or joins a remote pid asks here.
 */
import { GenServer } from '../process/gen-server.js'
import { noReply } from '../process/request.js'
import { Pid } from '../term/pid.js'
import type { Groups } from './groups.js'
import type { Registry } from './registry.js'
import { badRequest, toOutcome } from './remote-outcome.js'

export class RowServer extends GenServer {
  static readonly callable = ['register', 'unregister', 'join', 'leave']
  private registry!: Registry
  private groups!: Groups

  init(registry: Registry, groups: Groups): void {
    this.registry = registry
    this.groups = groups
  }

  register(
    key: unknown,
    pid: Pid,
    force: boolean,
    meta: unknown,
    timeoutMs: number,
  ): typeof noReply {
    const isValid = this.isOwn(pid) && typeof force === 'boolean' && timeoutMs > 0
    if (!isValid) return this.answer(badRequest('register'))
    return this.answer(
      this.registry.register(key, pid, { force, meta: meta ?? undefined, timeoutMs }),
    )
  }

  unregister(key: unknown): typeof noReply {
    return this.answer(this.registry.unregister(key))
  }

  join(group: unknown, pid: Pid, meta: unknown): typeof noReply {
    if (!this.isOwn(pid)) return this.answer(badRequest('join'))
    return this.answer(this.groups.join(group, pid, { meta: meta ?? undefined }))
  }

  leave(group: unknown, pid: Pid): typeof noReply {
    if (!this.isOwn(pid)) return this.answer(badRequest('leave'))
    return this.answer(this.groups.leave(group, pid))
  }

  /** Only rows of processes of this node are written here; what others are is not asked further. */
  private isOwn(pid: unknown): boolean {
    return pid instanceof Pid && pid.node === this.citadel.name
  }

  /** Replies when the work is done, without keeping the next request waiting. */
  private answer(work: Promise<void>): typeof noReply {
    const { from } = this
    toOutcome(work).then(
      (outcome) => from && this.citadel.reply(from, outcome),
      (error) => this.citadel.exit(this.self, { error }),
    )
    return noReply
  }
}
