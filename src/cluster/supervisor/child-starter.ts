/**
 * Starting a child from any member: asks the node that the id belongs on, and asks again while the
 * members are changing. A token makes asking again harmless.
 */

import { describe } from '../../base/describe.js'
import { CitadelError } from '../../base/errors.js'
import type { Lease } from '../../base/lease.js'
import { within } from '../../base/within.js'
import type { World } from '../../base/world.js'
import type { ChildPort } from '../../kernel/process-port.js'
import { fromOutcome, type RemoteOutcome, toOutcome } from '../../kernel/remote-outcome.js'
import { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import { alreadyStarted } from '../children/child.js'
import * as errors from '../children/child-errors.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Scope } from '../tables/scope.js'
import type { ChildRunner } from './child-runner.js'
import type { StartWish } from './child-starts.js'
import type { SupervisorMembers } from './supervisor-members.js'

export interface StarterParts {
  readonly supervisor: string
  readonly scopes: Scopes
  readonly processes: ChildPort
  readonly members: SupervisorMembers
  readonly runner: ChildRunner
  readonly world: World
  readonly claims: Scope<'c'>
  readonly specs: Scope<'s'>
  /** The name of the process by which the other members are reached. */
  readonly receiver: string
  readonly lease?: Lease | undefined
}

type StartOutcome = RemoteOutcome<Pid | null | undefined>

const UNDECIDED: StartOutcome = { ok: true, value: undefined }
const RETRY_MS = 20
/** How long a start waits for an unreachable node: enough for a reset connection to come back. */
const NODE_PATIENCE_MS = 1_000

export class ChildStarter {
  constructor(private readonly parts: StarterParts) {}

  async start(request: StartWish): Promise<Pid> {
    const { clock } = this.parts.world
    const { childId, timeoutMs } = request
    const deadline = clock.now() + timeoutMs
    let blockedSince: number | undefined
    let named: string | undefined
    while (clock.now() < deadline) {
      const node = named ?? this.place(request)
      const wasNamed = named !== undefined
      named = undefined
      if (this.parts.scopes.isUp(node)) {
        blockedSince = undefined
        const outcome = await this.startOn(node, request, deadline - clock.now())
        named = this.namedBy(outcome, node)
        if (named !== undefined && !wasNamed) continue
        const pid = named === undefined ? given(outcome) : undefined
        if (pid) return pid
      } else {
        blockedSince ??= clock.now()
        if (clock.now() - blockedSince >= NODE_PATIENCE_MS) throw unavailable(childId, node)
      }
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
    }
    throw errors.startedLate(childId)
  }

  /** Where the id runs, as far as is known here: that node knows whether it is so. Else where it belongs. */
  private place({ id, childId, recipe }: StartWish): string {
    const { claims, specs, members, supervisor, lease, world, scopes } = this.parts
    const running = claims.table.find(id)?.pid
    if (running) {
      const known = specs.table.rows.get(id)?.recipe
      if (scopes.isUp(running.node) || !known || known.token === recipe.token) return running.node
      throw alreadyStarted(childId, running)
    }
    const node = members.nodeFor(id, recipe.module)
    if (node !== undefined) return node
    // Those that could run it are without a lease as well, or out of reach.
    if (lease && !lease.isValid(world.clock.now())) throw noLease(childId)
    throw new CitadelError(
      'no_placement',
      `No member of supervisor "${supervisor}" may run ${describe(recipe.module)}; pass it in { modules } on some node that has the role and a weight, and is not draining.`,
    )
  }

  /**
   * A node may refuse because of what it has heard of another one, whose process has perhaps crashed
   * since. Whether it runs, or is about to run again, only that one knows.
   */
  private namedBy(outcome: StartOutcome, asked: string): string | undefined {
    if (outcome.ok || outcome.code !== 'already_started') return undefined
    const { pid } = outcome
    const isElsewhere = pid instanceof Pid && pid.node !== asked && this.parts.scopes.isUp(pid.node)
    return isElsewhere ? pid.node : undefined
  }

  /** Undefined as a value: that node does not see the id as its own, or was lost; try again. */
  private async startOn(node: string, wish: StartWish, timeoutMs: number): Promise<StartOutcome> {
    const { id, childId, recipe } = wish
    const { scopes, runner, world, specs, processes, receiver } = this.parts
    if (node === scopes.node) {
      const work = toOutcome(runner.start({ ...wish, timeoutMs }))
      const outcome = await within(world.clock, timeoutMs, work)
      if (outcome?.ok && outcome.value) await scopes.replicated(specs)
      return outcome ?? UNDECIDED
    }
    const args = [id, childId, recipe, specs.table.versionMax, timeoutMs]
    const reply = await toOutcome(
      processes.call({ name: receiver, node }, 'start', args, timeoutMs),
    )
    if (reply.ok) return reply.value as StartOutcome
    // The node was lost or is leaving. The token makes asking again harmless.
    const isLost = ['noconnection', 'noproc', 'exited'].includes(reply.code)
    return isLost ? UNDECIDED : (reply as StartOutcome)
  }
}

/** What was not decided in the time of one attempt is asked again, while there is time. */
function given(outcome: StartOutcome): Pid | undefined {
  if (!outcome.ok && outcome.code === 'timeout') return undefined
  return fromOutcome(outcome) ?? undefined
}

function noLease(childId: unknown): CitadelError {
  return new CitadelError(
    'unavailable',
    `Child ${showKey(childId)} cannot start now: this node has lost its lease; try again in a few seconds.`,
  )
}

function unavailable(childId: unknown, node: string): CitadelError {
  return new CitadelError(
    'unavailable',
    `Child ${showKey(childId)} belongs on ${node}, which cannot be reached now; try again in a few seconds.`,
  )
}
