/**
 * Children that have lost their id to the other side of a split. If the class wants it, the winner hears
 * the state of the loser first: the loser is held still, its `handoff` gives the state, and the winner
 * gets `mergeConflict(state)` once, as a turn of its own. Whatever fails, the loser ends, once.
 */

import type { Clock } from '../../base/clock.js'
import { describe } from '../../base/describe.js'
import { CitadelError, type ErrorCode } from '../../base/errors.js'
import type { Logger } from '../../base/log.js'
import type { ChildPort, ServerModule } from '../../kernel/process-port.js'
import { type RemoteOutcome, toOutcome } from '../../kernel/remote-outcome.js'
import type { Pid } from '../../term/pid.js'
import { showKey } from '../../term/show-key.js'
import type { Child } from '../children/child.js'
import type { ChildStops } from '../children/child-stops.js'
import type { Scope } from '../tables/scope.js'

export interface LostChildrenParts {
  readonly claims: Scope<'c'>
  readonly processes: ChildPort
  readonly stops: ChildStops
  readonly modules: ReadonlyMap<string, ServerModule>
  readonly clock: Clock
  readonly log: Logger
  /** The name of the process that takes the state, on every member. */
  readonly receiver: string
  /** How long the loser may take to be still, and how long the winner to hear it. */
  readonly handoffMs: number
}

/** At one time, of one supervisor and node. */
const MERGES_MAX = 64
const RETRY_MS = 50
/** Those lost within this time are told in one line, the first few by name. */
const TOLD_EVERY_MS = 100
const NAMED_MAX = 3
/** It has not been heard: the winner has moved, or is not there yet. */
const NOT_HEARD: ReadonlySet<ErrorCode> = new Set(['unavailable', 'noproc', 'overloaded'])

export class LostChildren {
  private merging = 0
  private readonly waiting: (() => void)[] = []
  /** Lost and not told yet. */
  private untold: string[] = []

  constructor(private readonly parts: LostChildrenParts) {}

  /** Ends a child whose id another node has won. */
  giveUp(child: Child): void {
    if (child.stopping) return
    this.noteLost(child)
    const module = this.parts.modules.get(child.recipe.module)
    const wantsMerge = module && 'mergeConflict' in module.prototype
    if (!child.pid || !wantsMerge) return this.parts.stops.begin(child, 'name_conflict')
    // From now on it is neither restarted nor moved.
    child.stopping = true
    void this.merge(child, child.pid)
  }

  private noteLost(child: Child): void {
    const stays = this.winner(child)?.node ?? 'another node'
    if (this.untold.push(`${showKey(child.childId)}, which stays on ${stays}`) > 1) return
    this.parts.clock.after(TOLD_EVERY_MS, () => {
      const { untold } = this
      this.untold = []
      const which = untold.slice(0, NAMED_MAX).join('; ')
      const what = untold.length === 1 ? '1 child' : `${untold.length} children`
      this.parts.log.warn(
        `${what} ran on two nodes, as after a split, and ${untold.length === 1 ? 'ends' : 'end'} here: ${which}`,
      )
    })
  }

  private async merge(child: Child, pid: Pid): Promise<void> {
    await this.turn()
    const failure = await this.handOn(child, pid).catch(describe)
    if (failure !== undefined) {
      const which = `child ${showKey(child.childId)} (${pid})`
      this.parts.log.warn(`${which} lost a conflict, and its state is lost: ${failure}`)
    }
    this.merging--
    this.waiting.shift()?.()
    if (child.pid) this.parts.stops.end(child, 'name_conflict')
  }

  private async turn(): Promise<void> {
    while (this.merging >= MERGES_MAX) {
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    this.merging++
  }

  /** Resolves with why its state is lost; undefined: the winner has heard it. */
  private async handOn(child: Child, pid: Pid): Promise<string | undefined> {
    const { processes, handoffMs } = this.parts
    if (child.moving) await this.moveOver(child, pid)
    const quiet = await toOutcome(processes.hold(pid, handoffMs))
    if (!quiet.ok) return quiet.message
    if (quiet.value === undefined) return 'it has no handoff(), or that gave nothing'
    // Callers that it has not answered hear of its end; they are in nobody's way in its state.
    const carried = processes.carry(quiet.value, this.winner(child)?.node ?? pid.node)
    try {
      return await this.send(child, pid, carried.state)
    } finally {
      carried.stays()
    }
  }

  /** It was to move, and is held for that: there is nobody left to take it. */
  private async moveOver(child: Child, pid: Pid): Promise<void> {
    const { clock, handoffMs, processes } = this.parts
    const deadline = clock.now() + handoffMs
    while (child.moving && clock.now() < deadline) await this.pause()
    processes.goOn(pid)
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => this.parts.clock.after(RETRY_MS, resolve))
  }

  /** To wherever the winner is, which may move meanwhile. */
  private async send(child: Child, from: Pid, state: unknown): Promise<string | undefined> {
    const { processes, clock, receiver, handoffMs } = this.parts
    const deadline = clock.now() + handoffMs
    for (let why = 'the other one did not begin in time'; ; ) {
      const left = deadline - clock.now()
      const node = this.winner(child)?.node
      if (node === undefined) return 'the other one is gone'
      if (left <= 0) return why
      const call = processes.call({ name: receiver, node }, 'merge', [child.id, from, state], left)
      const outcome = await toOutcome(call as Promise<RemoteOutcome<void>>)
      const heard = outcome.ok ? outcome.value : outcome
      if (heard.ok) return undefined
      why = heard.message
      if (!NOT_HEARD.has(heard.code)) return why
      await this.pause()
    }
  }

  private winner({ id }: Child): { readonly node: string } | undefined {
    const owner = this.parts.claims.table.find(id)
    return owner && owner.origin !== this.parts.claims.own ? owner.origin : undefined
  }

  /** On the winner's node: resolves when it has heard the state of the other one. */
  async heard(child: Child | undefined, state: unknown): Promise<void> {
    if (!child?.pid || child.stopping) {
      throw new CitadelError('unavailable', 'The winner of the conflict does not run here.')
    }
    return this.parts.processes.merge(child.pid, state)
  }
}
