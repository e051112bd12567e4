/**
 * Decides when this node hands over children that belong elsewhere: after the members have not
 * changed for a while (`auto`), when asked, and all of them when the node leaves. So many at a time,
 * so that calls to the others go on.
 */
import type { Timer } from '../../base/clock.js'
import type { Logger } from '../../base/log.js'
import { inSlices } from '../../base/slices.js'
import { showKey } from '../../term/show-key.js'
import type { Child } from '../children/child.js'
import type { ChildEvents } from '../children/child-events.js'
import { EvenShare, type EvenShareParts, type Planned } from './even-share.js'
import type { NodeChooser } from './supervisor-members.js'

export interface RebalanceOptions {
  rebalance: 'auto' | 'manual'
  /** How long the members must not have changed before children move by themselves. */
  settleMs: number
  /** How many children of this node may be on the move at a time. */
  movesMax: number
}

export interface RebalancerParts extends EvenShareParts {
  readonly events: ChildEvents
  readonly log: Logger
}

export interface Move {
  readonly id: unknown
  readonly from: string
  readonly to: string
}

export interface MovesResult {
  readonly moved: number
  /** They stay where they are; events say why. */
  readonly failed: number
}

type Task = 'drain' | 'rebalance'

/** Those that could not move are tried again after this long. */
const AGAIN_MS = 30_000
/** A drain goes over what is left so often. */
const DRAIN_ROUNDS = 3
/** What moves to be even is looked at again so often, as others come or fail meanwhile. */
const EVEN_ROUNDS = 4
/** Children that were about to start are looked at again after this long, or `settleMs`. */
const SOON_MS = 1_000
const PROGRESS_EVERY_MS = 500

export class Rebalancer {
  private settling: Timer | undefined
  /** The members as they were when last looked at, and what had come misplaced. */
  private known = 0
  private knownMisplaced = 0
  private readonly stopListening: () => void
  private closed = false
  private readonly even: EvenShare
  /** The last rebalance that was asked for: two at a time would move the same children. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly parts: RebalancerParts,
    private readonly options: RebalanceOptions,
  ) {
    this.even = new EvenShare(parts)
    this.stopListening = parts.scopes.onView(() => this.look())
  }

  close(): void {
    this.closed = true
    this.settling?.cancel()
    this.stopListening()
  }

  /**
   * A change of the members begins the wait anew: nodes that come and go move nothing. So does a child
   * that was on its way here when they changed.
   */
  private look(): void {
    const { members, runner } = this.parts
    const { version } = members
    const { misplaced } = runner
    if (this.closed || (version === this.known && misplaced === this.knownMisplaced)) return
    this.known = version
    this.knownMisplaced = misplaced
    if (this.options.rebalance === 'auto') this.settle(this.options.settleMs)
  }

  private settle(ms: number): void {
    this.settling?.cancel()
    this.settling = this.parts.world.clock.after(ms, () => {
      this.settling = undefined
      const again = (after: number): void => {
        if (!this.settling && !this.closed) this.settle(after)
      }
      this.rebalance().then(
        ({ failed }) => {
          if (failed > 0) again(AGAIN_MS)
          else if (this.even.unready > 0) again(Math.max(SOON_MS, this.options.settleMs))
        },
        (error: unknown) => {
          this.parts.log.error('children do not move', error)
          again(AGAIN_MS)
        },
      )
    })
  }

  /** What would move from this node now, and what is on its way. */
  async plan(): Promise<Move[]> {
    const { runner, scopes } = this.parts
    const planned = await this.misplaced()
    const targets = new Map(planned.map(({ child, to }) => [child, to]))
    const moves: Move[] = []
    for (const child of runner.local()) {
      const to = child.moving?.to ?? targets.get(child)
      if (to !== undefined) moves.push({ id: child.childId, from: scopes.node, to })
    }
    return moves
  }

  /** Begins when the one before is through. */
  rebalance(): Promise<MovesResult> {
    const mine = this.last.then(async () => {
      if (this.keepsEven) return this.evenOut()
      return this.carryOut('rebalance', await this.misplaced())
    })
    this.last = mine.catch(() => undefined)
    return mine
  }

  /**
   * Hands over every child, also those that lose their state by it. What cannot go is still here
   * when this resolves.
   */
  async drain(deadline: number): Promise<MovesResult> {
    const sum = { moved: 0, failed: 0 }
    for (let round = 0; round < DRAIN_ROUNDS; round++) {
      await this.parts.runner.movesOver()
      const planned = await this.all()
      const left = planned.length
      if (left === 0) return { ...sum, failed: 0 }
      const { moved, failed } = await this.carryOut('drain', planned, deadline)
      sum.moved += moved
      sum.failed = failed
      if (failed === 0 || this.parts.world.clock.now() >= deadline) break
    }
    return sum
  }

  private get keepsEven(): boolean {
    return this.parts.members.maxSkew !== undefined
  }

  /** Others take the place of those that do not move. */
  private async evenOut(): Promise<MovesResult> {
    const stubborn = new Set<string>()
    let moved = 0
    let failed = 0
    for (let round = 0; round < EVEN_ROUNDS && !this.closed; round++) {
      const planned = await this.even.planned(stubborn)
      if (planned.length === 0) break
      const result = await this.carryOut('rebalance', planned, Number.POSITIVE_INFINITY, stubborn)
      moved += result.moved
      failed = result.failed
    }
    return { moved, failed }
  }

  private misplaced(): Promise<Planned[]> {
    if (this.keepsEven) return this.even.planned(new Set())
    const { runner, members } = this.parts
    const target = this.target('rebalance', members.chooser())
    return this.choose((child) => (runner.isCarriedOver(child) ? target(child) : undefined))
  }

  private all(): Promise<Planned[]> {
    return this.choose(this.target('drain', this.parts.members.chooser()))
  }

  /** Where a child of this node is to go. */
  private target(task: Task, nodeFor: NodeChooser): (child: Child) => string | undefined {
    const current = task === 'drain' ? undefined : this.parts.scopes.node
    return ({ id, recipe: { module, avoid } }) => nodeFor(id, module, { current, avoid })
  }

  /** Goes through the children of this node, a slice at a time. */
  private async choose(target: (child: Child) => string | undefined): Promise<Planned[]> {
    const { runner, world, scopes } = this.parts
    const planned: Planned[] = []
    await inSlices(world.clock, runner.local(), (child) => {
      if (!child.pid || child.moving || child.stopping) return
      const to = target(child)
      if (to !== undefined && to !== scopes.node && scopes.isUp(to)) planned.push({ child, to })
    })
    return planned
  }

  private async carryOut(
    task: Task,
    planned: readonly Planned[],
    deadline = Number.POSITIVE_INFINITY,
    stubborn = new Set<string>(),
  ): Promise<MovesResult> {
    if (planned.length === 0) return { moved: 0, failed: 0 }
    const { runner, events, scopes, world, log, members } = this.parts
    const { clock } = world
    const { version } = members
    const targetNow = this.target(task, (...asked) => members.nodeFor(...asked))
    let total = planned.length
    let moved = 0
    let failed = 0
    let next = 0
    let firstFailure = ''
    let toldAt = clock.now()
    const tell = (): void =>
      events.tell({ type: 'progress', task, node: scopes.node, moved, failed, total })
    const mover = async (): Promise<void> => {
      while (next < planned.length && clock.now() < deadline && !this.stopsBefore(task)) {
        const { child, to: then } = planned[next++]!
        // A plan for many takes a while; the members may be others by now.
        const to = members.version === version ? then : targetNow(child)
        if (to === undefined || to === scopes.node) {
          total--
          continue
        }
        const reason = await runner.move(child.id, to, true)
        if (reason === undefined) moved++
        else stubborn.add(child.id)
        if (reason !== undefined && failed++ === 0)
          firstFailure = `${showKey(child.childId)} to ${to}: ${reason}`
        if (clock.now() - toldAt < PROGRESS_EVERY_MS) continue
        toldAt = clock.now()
        tell()
      }
    }
    await Promise.all(Array.from({ length: this.options.movesMax }, mover))
    tell()
    // One line, however many: each has an event of its own.
    if (failed > 0) log.warn(`${failed} of ${total} children did not move; first ${firstFailure}`)
    return { moved, failed: total - moved }
  }

  /** A drain takes the place of a rebalance that is under way. */
  private stopsBefore(task: Task): boolean {
    return task === 'rebalance' && this.closed
  }
}
