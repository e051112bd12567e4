/**
 * Ending a child from any member: asks the node where it runs, and waits until it is gone. What has been
 * acknowledged is so for everybody: all members that can be reached have heard of it.
 */
import { CitadelError } from '../../base/errors.js'
import type { ChildPort } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome, toOutcome } from '../../kernel/remote-outcome.js'
import { showKey } from '../../term/show-key.js'
import { unknownChild } from '../children/child-errors.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Scope } from '../tables/scope.js'
import type { ChildRunner } from './child-runner.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface EnderParts {
  readonly supervisor: string
  readonly scopes: Scopes
  readonly processes: ChildPort
  readonly members: Pick<SupervisorMembers, 'nodes'>
  readonly runner: Pick<ChildRunner, 'end'>
  readonly claims: Scope<'c'>
  readonly specs: Scope<'s'>
  /** The name of the process by which the other members are reached. */
  readonly receiver: string
  /** Settles when this node has looked for others. */
  readonly looked?: Promise<void> | undefined
}

const LOOK_MS = 10
/** Besides the child's own time to end: for the way there, the end by force, and word of it. */
const PATIENCE_MS = 6_000
const SHUTDOWN_MS = 5_000
/** A member that stands still knows of nothing that others have not heard of. */
const HEAR_MS = 1_000
/** Whoever was asked is gone, or leaves. */
const GONE: ReadonlySet<string> = new Set(['noconnection', 'noproc', 'exited'])

export class ChildEnder {
  constructor(private readonly parts: EnderParts) {}

  async end(id: string, childId: unknown): Promise<void> {
    const { scopes, claims, specs, runner, supervisor, looked } = this.parts
    const { clock } = scopes
    if (!this.isKnown(id)) await looked
    if (!this.isKnown(id)) await this.hearOthers()
    if (!this.isKnown(id)) throw unknownChild(supervisor, childId)
    const shutdownMs = specs.table.rows.get(id)?.recipe?.shutdownMs ?? SHUTDOWN_MS
    const deadline = clock.now() + PATIENCE_MS + shutdownMs
    const node = claims.table.find(id)?.origin.node ?? scopes.node
    const isHere = node === scopes.node || !scopes.isUp(node)
    // Once: that it is over is written down, and ends the child wherever it has moved to meanwhile. A second
    // time it could end one that somebody has started since. If its node is gone, it is written here.
    if (isHere || !(await this.endOn(node, id, childId, deadline - clock.now()))) {
      await runner.end(id, childId)
    }
    while (!this.isOver(id)) {
      if (clock.now() >= deadline) throw notEnded(childId)
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
    }
  }

  /** One that others have started a moment ago is on its way here. What they have written comes before their answers. */
  private async hearOthers(): Promise<void> {
    const { members, scopes, processes, receiver } = this.parts
    const others = members.nodes().filter((node) => node !== scopes.node && scopes.isUp(node))
    const flushed = others.map((node) =>
      toOutcome(processes.call({ name: receiver, node }, 'flush', [], HEAR_MS)),
    )
    await Promise.all(flushed)
  }

  private isKnown(id: string): boolean {
    const { claims, specs } = this.parts
    return specs.table.rows.get(id)?.recipe !== undefined || claims.table.find(id) !== undefined
  }

  /** It is gone, or begun anew; or out of reach, where it ends as soon as its node hears of it. */
  private isOver(id: string): boolean {
    const { claims, specs, scopes } = this.parts
    const left = claims.table.find(id)
    return !left || !scopes.isUp(left.origin.node) || specs.table.rows.get(id)?.recipe !== undefined
  }

  /** False: that node is gone. */
  private async endOn(
    node: string,
    id: string,
    childId: unknown,
    timeoutMs: number,
  ): Promise<boolean> {
    const { processes, receiver, specs } = this.parts
    const args = [id, childId, specs.table.versionMax]
    const call = processes.call({ name: receiver, node }, 'terminateChild', args, timeoutMs)
    const reply = await toOutcome(call)
    if (reply.ok) fromOutcome(reply.value as RemoteOutcome<unknown>)
    else if (GONE.has(reply.code)) return false
    else fromOutcome(reply)
    return true
  }
}

const notEnded = (childId: unknown): CitadelError =>
  new CitadelError(
    'timeout',
    `Child ${showKey(childId)} is being ended, which takes too long; look it up.`,
  )
