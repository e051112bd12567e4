/**
 * Keys of processes that are about to come from another node. They are granted before a process begins,
 * so that it has its own epoch of each from its first line on, and the grants are kept until it has won
 * or is discarded: docs/decisions/0021-token-before-init.md.
 */
import { termKey } from '../../term/key.js'
import type { Pid } from '../../term/pid.js'
import type { Scopes } from '../scopes/scopes.js'
import type { Claim, Lineage } from '../tables/claim.js'
import type { Scope } from '../tables/scope.js'

/** A name in the registry that the process has. */
export type MovingKey = readonly [key: unknown, epoch: number, meta: unknown, lineage?: unknown]

export interface ComingKeysParts {
  readonly scopes: Scopes
  readonly scope: Scope<'c'>
  /** Writes the claim of a key that `heir` takes along. False: that one has ended or moved. */
  write(moving: MovingKey, heir: Heir, epoch: number, known?: Lineage): boolean
  /** Takes a key over for a process that has come already. */
  bring(moving: MovingKey, heir: Heir): Promise<void>
}

/** A process that has come, and the one it has come from. */
export interface Heir {
  readonly pid: Pid
  readonly from: Pid
}

/** The keys of one process. */
export interface Coming {
  /** It has won. Resolves when the keys are its own, or lost to somebody else. */
  bring(pid: Pid): Promise<void>
  /** It is discarded. */
  release(): void
}

export class ComingKeys {
  /** By id, those that are asked for no more, and not written yet. */
  private readonly kept = new Map<string, ComingKey>()

  constructor(private readonly parts: ComingKeysParts) {}

  /**
   * The token of an owner for who reads it here: that of its successor, from before that one begins.
   * Undefined: the successor has none yet, since the key was not to be had when it was asked for.
   */
  epochOf(claim: Claim): number | undefined {
    const coming = this.kept.get(claim.id)
    return coming ? coming.epochAfter(claim) : claim.epoch
  }

  /**
   * Resolves when each of these keys of `from` is granted, or is not to be had within `timeoutMs`: that one
   * is asked for again once the new process has won.
   */
  async keep(keys: readonly MovingKey[], from: Pid, timeoutMs: number): Promise<Coming> {
    const coming = keys.map((moving) => new ComingKey(this.parts, this.kept, moving, from))
    await Promise.all(coming.map((one) => one.ask(timeoutMs)))
    const release = (): void => {
      for (const one of coming) one.release()
    }
    const bring = async (pid: Pid): Promise<void> => {
      await Promise.all(coming.map((one) => one.bring(pid)))
    }
    return { bring, release }
  }
}

class ComingKey {
  private readonly id: string
  /** The claim that it is to be taken from. */
  private readonly over: number
  private epoch = 0
  private heir: Heir | undefined
  private isWritten = false
  private isOver = false
  private asked: Promise<unknown> | undefined
  private readonly decided: Promise<boolean>
  private decide!: (isWanted: boolean) => void

  constructor(
    private readonly parts: ComingKeysParts,
    private readonly kept: Map<string, ComingKey>,
    private readonly moving: MovingKey,
    private readonly from: Pid,
  ) {
    const [key, epoch] = moving
    this.id = termKey(key)
    this.decided = new Promise((resolve) => {
      this.decide = resolve
    })
    // Its old node may have written it again since it gave it along.
    const owner = this.owner
    this.over = owner?.pid?.equals(from) ? Math.max(epoch, owner.epoch) : epoch
  }

  epochAfter({ pid, epoch }: Claim): number | undefined {
    if (!pid?.equals(this.from)) return epoch
    return this.epoch > 0 ? Math.max(epoch, this.epoch) : undefined
  }

  ask(timeoutMs: number): Promise<void> {
    const { id, over } = this
    const { scopes, scope } = this.parts
    const request = { id, over, pid: undefined, force: false, timeoutMs }
    return new Promise((resolve) => {
      const claimed = scopes.claim(
        { ...request, scope: scope.replica.scope },
        (epoch, known) => this.write(epoch, known),
        (epoch) => {
          if (this.isOthers) return Promise.resolve(false)
          this.epoch = epoch
          this.keep()
          resolve()
          return this.decided
        },
      )
      this.asked = claimed.then(() => {
        this.keep()
        resolve()
      })
    })
  }

  async bring(pid: Pid): Promise<void> {
    const heir = { pid, from: this.from }
    this.heir = heir
    this.decide(true)
    try {
      await this.asked
      if (!this.isWritten) await this.parts.bring(this.moving, heir)
    } finally {
      this.forget()
    }
  }

  release(): void {
    this.decide(false)
    this.forget()
  }

  private write(epoch: number, known?: Lineage): boolean {
    const { heir } = this
    if (!heir || this.isOthers) return false
    this.isWritten = this.parts.write(this.moving, heir, epoch, known)
    return this.isWritten
  }

  private get owner(): Claim | undefined {
    return this.parts.scope.table.find(this.id)
  }

  /** The arbiter looks at this node's rows as those of one claimant, so another process here may have it. */
  private get isOthers(): boolean {
    const { owner } = this
    return owner !== undefined && owner.epoch !== this.over && !owner.pid?.equals(this.from)
  }

  private keep(): void {
    if (!this.isOver) this.kept.set(this.id, this)
  }

  private forget(): void {
    this.isOver = true
    if (this.kept.get(this.id) === this) this.kept.delete(this.id)
  }
}
