/**
 * The supervised children of the workload. Their state is the list of calls they have carried out;
 * some have a key and a group, some callers wait for an answer while they move. Now and then one is
 * slow to move, or refuses to, or gives nothing: drawn from the seed.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import { GenServer } from '../../src/process/gen-server.js'
import { type From, noReply } from '../../src/process/request.js'
import { KeyLost } from '../../src/process/system-messages.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import { isChildMessage } from '../checks/child-streams.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'

export interface ChildClasses {
  /** Moves with its state. */
  readonly Child: ServerModule
  /** Has no `handoff`: only a drain or somebody moves it, and its state is lost. */
  readonly Plain: ServerModule
}

/** How children behave when they are to move. */
export class Whims {
  /** False: from now on all do as they are told, at once. */
  active = true

  constructor(private readonly random: SeededRandom) {}

  comesTrue(probability: number): boolean {
    return this.active && this.random.chance(probability)
  }

  ms(most: number): number {
    return this.random.float() * most
  }
}

/** Of so many children one has no `handoff`. */
export const PLAIN_EVERY = 5

interface Moving {
  readonly tokens: readonly number[]
  /** Callers that wait for their token. */
  readonly waiting: readonly (readonly [From, number])[]
}

const THINKS = 0.3
const SLOW = 0.2
const SLOW_MS = 600
const REFUSES = 0.06
const GIVES_NOTHING = 0.04
const TICK_MS = 250
const KEY_MS = 1_500

/** Every third child has a key, every other one a group. */
export const childKey = (id: number): string | undefined =>
  id % 3 === 0 ? `child-${id}` : undefined
const childGroup = (id: number): string | undefined =>
  id % 2 === 0 ? `children-${id % 4}` : undefined

export function childProcesses(ledgers: Ledgers, whims: Whims): ChildClasses {
  const { lives } = ledgers

  class Plain extends GenServer {
    protected id = 0
    protected tokens: number[] = []
    protected waiting: (readonly [From, number])[] = []

    override async init(id: number): Promise<void> {
      this.id = id
      ledgers.children.born(id, this.self)
      lives.born(id, this.self, this.tokens)
      const home = ledgers.oracle.home(this.self)
      if (!home) return
      // Comes first of all, but not before the child is this process's.
      this.citadel.send(this.self, 'begin')
      const isArrival = home.node.kernel.moves.predecessor(this.self) !== undefined
      if (isArrival) await this.whim('init')
      else if (whims.comesTrue(SLOW)) await this.citadel.sleep(whims.ms(SLOW_MS))
      await this.introduce(home, isArrival)
    }

    // What it is asked.

    add(token: number): number {
      ledgers.owners.handles(this.self)
      ledgers.calls.carriedOut(token)
      ledgers.oracle.tell(`${this.self} carries out call ${token} of child ${this.id}`)
      this.tokens.push(token)
      lives.carriesOut(this.self, token)
      return token
    }

    async addSlowly(token: number, ms: number): Promise<number> {
      await this.citadel.sleep(ms)
      return this.add(token)
    }

    addLater(token: number): typeof noReply {
      this.waiting.push([this.from!, this.add(token)])
      this.citadel.sendAfter(this.self, 'tick', TICK_MS)
      return noReply
    }

    crash(): void {
      throw new Error('asked to crash')
    }

    finish(): void {
      this.citadel.exit(this.self, 'normal')
    }

    override handleInfo(message: unknown): void {
      ledgers.owners.handles(this.self)
      lives.works(this.self, 'handled a message')
      if (message === 'tick') this.answerAll()
      else if (message instanceof KeyLost) ledgers.names.takenOver(`${message.key}`, this.self)
      else if (isChildMessage(message)) ledgers.streams.arrived(this.id, this.self, message)
    }

    /** Whoever waits and does not come along is told now. */
    override terminate(): void {
      this.answerAll()
    }

    protected answerAll(): void {
      for (const [from, token] of this.waiting) this.citadel.reply(from, token)
      this.waiting = []
    }

    /** Its key and its group. Those of the process it takes over from come along. */
    private async introduce({ citadel }: ClusterMember, isArrival: boolean): Promise<void> {
      const { names } = ledgers
      const [key, group] = [childKey(this.id), childGroup(this.id)]
      if (group !== undefined) {
        const row = names.begin(group, this.self)
        await citadel.groups.join(group, this.self)
        names.end(row, 1, undefined)
      }
      if (key === undefined) return
      try {
        await citadel.registry.register(key, this.self, { timeoutMs: KEY_MS })
        if (!isArrival) names.acknowledged(key, this.self)
      } catch {
        // An earlier life has it still, or nobody can be asked: this one goes without.
      }
    }

    /** Slow, or in vain. */
    protected async whim(step: string): Promise<void> {
      if (whims.comesTrue(SLOW)) {
        lives.refuse(this.id)
        await this.citadel.sleep(whims.ms(SLOW_MS))
      }
      if (!whims.comesTrue(REFUSES)) return
      lives.refuse(this.id)
      throw new Error(`asked to refuse in ${step}`)
    }
  }

  class Child extends Plain {
    private isCarried = false
    private attempt = 0

    override handoff(): Moving | undefined | Promise<Moving | undefined> {
      lives.handoff(this.self, 'asked')
      this.attempt++
      return whims.comesTrue(THINKS) ? this.think(this.attempt) : this.give()
    }

    override async takeover({ tokens, waiting }: Moving): Promise<void> {
      this.tokens.push(...tokens)
      this.waiting.push(...waiting)
      await this.whim('takeover')
      if (waiting.length > 0) this.citadel.sendAfter(this.self, 'tick', TICK_MS)
    }

    override handoffAborted(): void {
      this.attempt++
      this.isCarried = false
      lives.handoff(this.self, 'aborted')
    }

    override terminate(): void {
      if (!this.isCarried) super.terminate()
    }

    private async think(attempt: number): Promise<Moving | undefined> {
      try {
        await this.whim('handoff')
      } catch (error) {
        lives.handoff(this.self, 'never asked')
        throw error
      }
      // It has been told meanwhile that it stays.
      return attempt === this.attempt ? this.give() : undefined
    }

    private give(): Moving | undefined {
      if (whims.comesTrue(GIVES_NOTHING)) {
        lives.handoff(this.self, 'gave nothing')
        return undefined
      }
      this.isCarried = true
      lives.handoff(this.self, 'gave its state')
      const { tokens, waiting } = this
      return { tokens, waiting }
    }
  }

  return { Child, Plain }
}
