/** Children for tests of handoff: one that keeps a count and its name, and one that can go wrong. */
import { type From, GenServer, noReply, type Pid } from '../../src/index.js'

export interface TallyOptions {
  /** Register under `key <id>`. */
  keyed?: boolean
  /** Join this group. */
  group?: string
}

interface TallyState {
  count: number
  heard: unknown[]
  from: string
}

export class Tally extends GenServer {
  protected count = 0
  protected heard: unknown[] = []
  #aborted = 0
  #cameFrom: string | undefined
  #waiting: From | undefined

  async init(id: unknown, { keyed, group }: TallyOptions = {}): Promise<void> {
    if (keyed) await this.citadel.registry.register(`key ${String(id)}`, this.self)
    if (group) await this.citadel.groups.join(group, this.self)
  }

  add(n: number): number {
    this.count += n
    return this.count
  }

  value(): number {
    return this.count
  }

  where(): string {
    return this.citadel.name
  }

  /** The node it was handed over by, and how often it was asked to move and did not. */
  story(): { cameFrom: string | undefined; aborted: number } {
    return { cameFrom: this.#cameFrom, aborted: this.#aborted }
  }

  all(): unknown[] {
    return this.heard
  }

  /** Tells `to` when it begins. */
  async rest(ms: number, to?: Pid): Promise<string> {
    if (to) this.citadel.send(to, 'rests')
    await this.citadel.sleep(ms)
    return this.citadel.name
  }

  crash(): void {
    throw new Error('crashed as asked')
  }

  finish(): void {
    this.citadel.exit(this.self, 'normal')
  }

  later(): typeof noReply {
    this.#waiting = this.from
    return noReply
  }

  release(value: unknown): void {
    if (this.#waiting !== undefined) this.citadel.reply(this.#waiting, value)
  }

  handleInfo(message: unknown): void {
    this.heard.push(message)
  }

  handoff(): unknown {
    const { count, heard } = this
    return { count, heard, from: this.citadel.name } satisfies TallyState
  }

  takeover(state: unknown): void | Promise<void> {
    const { count, heard, from } = state as TallyState
    this.count = count
    this.heard = heard
    this.#cameFrom = from
  }

  handoffAborted(): void {
    this.#aborted++
  }
}

/** Keeps no state for a move, so it moves only when it must. */
export class Settled extends GenServer {
  #count = 0

  add(n: number): number {
    this.#count += n
    return this.#count
  }

  where(): string {
    return this.citadel.name
  }

  async rest(ms: number, to?: Pid): Promise<string> {
    if (to) this.citadel.send(to, 'rests')
    await this.citadel.sleep(ms)
    return this.citadel.name
  }
}

export type Trouble =
  | 'handoffThrows'
  | 'handoffHangs'
  | 'function'
  | 'deep'
  | 'large'
  | 'initThrows'
  | 'initHangs'
  | 'takeoverThrows'
  | 'takeoverHangs'

export interface TroubledOptions extends TallyOptions {
  trouble?: Trouble
  /** Where it runs well. */
  home?: string
}

/** Cannot move, for one reason or another; runs well on the node it starts on. */
export class Troubled extends Tally {
  #trouble: Trouble | undefined

  override async init(id: unknown, options: TroubledOptions = {}): Promise<void> {
    const { trouble, home } = options
    this.#trouble = trouble
    await super.init(id, options)
    if (this.citadel.name === home) return
    if (trouble === 'initThrows') throw new Error('init failed as asked')
    if (trouble === 'initHangs') await new Promise(() => {})
  }

  override handoff(): unknown {
    switch (this.#trouble) {
      case 'handoffThrows':
        throw new Error('handoff failed as asked')
      case 'handoffHangs':
        return new Promise(() => {})
      case 'function':
        return { count: this.count, callback: () => {} }
      case 'deep':
        return nested(600)
      case 'large':
        return new Uint8Array(65 * 1024 * 1024)
      default:
        return super.handoff()
    }
  }

  override takeover(state: unknown): void | Promise<void> {
    if (this.#trouble === 'takeoverThrows') throw new Error('takeover failed as asked')
    if (this.#trouble === 'takeoverHangs') return new Promise(() => {})
    return super.takeover(state)
  }
}

function nested(depth: number): unknown {
  let value: unknown = 'deep down'
  for (let level = 0; level < depth; level++) value = [value]
  return value
}
