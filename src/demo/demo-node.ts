/**
 * What the conductor can ask of one node. Each method is a line or two of ordinary Citadel, and
 * its answer can be carried over IPC. Where an answer depends on news from another node, the method
 * waits for it, with a deadline.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { Citadel } from '../citadel.js'
import type { ChildEvent, DistributedSupervisor } from '../index.js'
import { machineTime, Person, Room, type RoomAnswer } from './chat.js'
import { Visitors, type VisitReport } from './visitors.js'

export interface RoomPlace extends RoomAnswer {
  readonly id: number
}

export interface RoomRestart {
  readonly before: string
  readonly after: string
  readonly node: string
  readonly visits: number
  readonly tookMs: number
}

/** What `events()` has told of moves. */
export interface MovesSeen {
  /** With its state. */
  readonly moved: number
  /** Of the machine's clock: when the last one was heard of. */
  readonly lastAt: number
}

const WAIT_MS = 10_000
const LOOK_EVERY_MS = 2

export class DemoNode {
  readonly #citadel: Citadel
  #supervisor: DistributedSupervisor | undefined
  #visitors: Visitors | undefined
  #events: AsyncIterableIterator<ChildEvent> | undefined
  #movedAt: number[] = []

  private constructor(citadel: Citadel) {
    this.#citadel = citadel
  }

  /** Cookie, EPMD port and Redis come from the environment, as for any node. */
  static async start(name: string, logger: Logger): Promise<DemoNode> {
    return new DemoNode(await Citadel.start({ name, modules: { Room }, logger }))
  }

  connect(node: string): Promise<boolean> {
    return this.#citadel.connect(node)
  }

  listed(): Promise<string[]> {
    return this.#citadel.members()
  }

  async seeNodes(count: number): Promise<string[]> {
    await this.#until(() => this.#citadel.nodes().length === count, `see ${count} other nodes`)
    return this.#citadel.nodes()
  }

  async register(key: string, name: string): Promise<string> {
    const pid = await this.#citadel.spawn(Person, [name])
    await this.#citadel.registry.register(key, pid)
    return String(pid)
  }

  /** The code of the error, when the key is refused. */
  async registerRefused(key: string): Promise<string | undefined> {
    const pid = await this.#citadel.spawn(Person, ['nobody'])
    try {
      await this.#citadel.registry.register(key, pid)
      return undefined
    } catch (error) {
      if (error instanceof CitadelError) return error.code
      throw error
    } finally {
      this.#citadel.exit(pid, 'shutdown')
    }
  }

  async find(key: string): Promise<string> {
    const { registry } = this.#citadel
    await this.#until(() => registry.findByKey(key) !== undefined, `find '${key}'`)
    return String(registry.findByKey(key))
  }

  async loseKey(key: string): Promise<void> {
    const { registry } = this.#citadel
    await this.#until(() => registry.findByKey(key) === undefined, `see '${key}' go`)
  }

  greet(key: string, who: string): Promise<string> {
    return this.#citadel.call<Person, 'greet'>({ key }, 'greet', who)
  }

  async join(group: string, key: string): Promise<void> {
    await this.#citadel.groups.join(group, this.#citadel.registry.findByKey(key)!)
  }

  async groupMembers(group: string, count: number): Promise<string[]> {
    const { groups } = this.#citadel
    const all = (): boolean => groups.members(group).length === count
    await this.#until(all, `see ${count} members of '${group}'`)
    return groups.members(group).map(String)
  }

  broadcast(group: string, message: string): number {
    return this.#citadel.groups.broadcast(group, message)
  }

  async heard(key: string, message: string): Promise<void> {
    const heard = async (): Promise<boolean> =>
      (await this.#citadel.call<Person, 'heard'>({ key }, 'heard')).includes(message)
    await this.#until(heard, `hear that '${key}' got the broadcast`)
  }

  /** Answers when it had joined, on the machine's clock. */
  async supervise(name: string): Promise<number> {
    this.#supervisor = await this.#citadel.supervisor(name)
    return machineTime()
  }

  async seeSupervisors(count: number): Promise<void> {
    const all = (): boolean => this.#rooms.nodes().length === count
    await this.#until(all, `see ${count} members of the supervisor`)
  }

  /** Answers how long it took, in milliseconds. */
  async startRooms(count: number): Promise<number> {
    const before = machineTime()
    const start = (id: number) => this.#rooms.startChild(Room, [], { id })
    await Promise.all(Array.from({ length: count }, (_, index) => start(index + 1)))
    return machineTime() - before
  }

  /** Kills a room and waits until it runs again. */
  async killRoom(id: number): Promise<RoomRestart> {
    const before = this.#rooms.lookup(id)!
    const killedAt = machineTime()
    this.#citadel.exit(before, 'kill')
    const again = (): boolean => !(this.#rooms.lookup(id) ?? before).equals(before)
    await this.#until(again, `see room ${id} again`)
    const { node, startedAt, visits } = await this.#ask(id)
    const after = String(this.#rooms.lookup(id))
    return { before: String(before), after, node, visits, tookMs: startedAt - killedAt }
  }

  /** Waits until there are so many rooms, none of them on the node that is gone. */
  async seeRooms(count: number, goneNode?: string): Promise<void> {
    await this.#until(() => {
      const pids = [...this.#rooms.members().values()]
      return pids.length === count && pids.every((pid) => pid.node !== goneNode)
    }, `see ${count} rooms running`)
  }

  /** Calls every room that runs: who answers, is. */
  async roomsThatAnswer(): Promise<RoomPlace[]> {
    const ids = [...this.#rooms.members().keys()].map(Number).sort((a, b) => a - b)
    return Promise.all(ids.map(async (id) => ({ id, ...(await this.#ask(id)) })))
  }

  /** Each room in turn, so often. */
  async visitAll(count: number, times: number): Promise<void> {
    for (let id = 1; id <= count; id++) {
      const room = this.#rooms.child<Room>(id)
      await Promise.all(Array.from({ length: times }, () => room.call('visit')))
    }
  }

  beginVisits(count: number): void {
    this.#visitors = new Visitors(this.#citadel, this.#rooms, count)
  }

  endVisits(): Promise<VisitReport> {
    if (this.#visitors) return this.#visitors.end()
    throw new CitadelError('bad_argument', 'begin the visits first')
  }

  /** From now on, and anew. */
  async watchMoves(): Promise<void> {
    await this.#events?.return?.()
    this.#events = this.#rooms.events()
    this.#movedAt = []
    this.#noteMoves(this.#events, this.#movedAt).catch(() => {
      // It fell behind: whoever waits for moves hears that they did not come.
    })
  }

  async seeMoves(count: number): Promise<MovesSeen> {
    await this.#until(() => this.#movedAt.length >= count, `hear of ${count} moves`)
    return { moved: this.#movedAt.length, lastAt: this.#movedAt.at(-1) ?? 0 }
  }

  async #noteMoves(events: AsyncIterable<ChildEvent>, movedAt: number[]): Promise<void> {
    for await (const event of events) {
      if (event.type === 'moved' && event.hasState) movedAt.push(machineTime())
    }
  }

  /** How many rooms belong on a node now, wherever they run. */
  countBelonging(count: number, node: string): number {
    const ids = Array.from({ length: count }, (_, index) => index + 1)
    return ids.filter((id) => this.#rooms.nodeFor(id) === node).length
  }

  /** Waits until every room runs where it belongs. */
  async seeRoomsInPlace(count: number): Promise<void> {
    await this.#until(() => {
      const rooms = [...this.#rooms.members()]
      const isInPlace = rooms.every(([id, pid]) => this.#rooms.nodeFor(id) === pid.node)
      return rooms.length === count && isInPlace
    }, `see ${count} rooms where they belong`)
  }

  /** How many rooms run on this node. */
  countRooms(): number {
    return this.#rooms.localChildren().size
  }

  /** Hands its rooms over and says goodbye. Answers how long it took, in milliseconds. */
  async leave(): Promise<number> {
    const before = machineTime()
    await this.#citadel.stop()
    return machineTime() - before
  }

  /** The demo is over: nothing is handed over any more. */
  stop(): Promise<void> {
    return this.#citadel.stop({ budgetMs: 0 })
  }

  get #rooms(): DistributedSupervisor {
    if (this.#supervisor) return this.#supervisor
    throw new CitadelError('bad_argument', 'join the supervisor first')
  }

  #ask(id: number): Promise<RoomAnswer> {
    return this.#rooms.child<Room>(id).call('where')
  }

  async #until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const giveUpAt = machineTime() + WAIT_MS
    while (!(await condition())) {
      if (machineTime() > giveUpAt) {
        const sentence = `${this.#citadel.name} did not ${what} within ${WAIT_MS / 1_000} s`
        throw new CitadelError('timeout', sentence)
      }
      await sleep(LOOK_EVERY_MS)
    }
  }
}
