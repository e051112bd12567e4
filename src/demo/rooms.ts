/**
 * What the conductor knows of the rooms: which there are, and how many visitors each must remember.
 * Every look at them is checked against it.
 */
import { check } from './checks.js'
import type { RoomPlace } from './demo-node.js'
import type { NodeProcess } from './node-process.js'
import type { Story } from './story.js'
import type { VisitReport } from './visitors.js'

export const ROOMS = 100
export const SUPERVISOR = 'rooms'

export class Rooms {
  /** Of room 1, of room 2, and so on. */
  readonly #visits: number[] = Array.from({ length: ROOMS }, () => 0)

  get visits(): number {
    return this.#visits.reduce((sum, count) => sum + count, 0)
  }

  /** Each of them has been visited so often. */
  visitedAll(times: number): void {
    for (const index of this.#visits.keys()) this.#visits[index]! += times
  }

  /** Answers how many visits that were. */
  visited({ answered }: VisitReport): number {
    let sum = 0
    for (const [index, count] of answered.entries()) {
      this.#visits[index]! += count
      sum += count
    }
    return sum
  }

  /** They crashed, or their node died. Answers how many visits are forgotten. */
  forgot(ids: Iterable<number>): number {
    let sum = 0
    for (const id of ids) {
      sum += this.#visits[id - 1]!
      this.#visits[id - 1] = 0
    }
    return sum
  }

  /** Asks all of them. Every room is there, once, and has counted right. */
  async look(nodes: readonly NodeProcess[]): Promise<RoomPlace[]> {
    const places = await nodes[0]!.ask('roomsThatAnswer')
    const ids = new Set(places.map(({ id }) => id))
    for (let id = 1; id <= ROOMS; id++) check(ids.has(id), `room ${id} is missing`)
    const counts = await Promise.all(nodes.map((node) => node.ask('countRooms')))
    const running = counts.reduce((sum, count) => sum + count, 0)
    check(running === ROOMS, `${running} rooms run instead of ${ROOMS}`)
    for (const { id, visits } of places) {
      const expected = this.#visits[id - 1]
      check(visits === expected, `room ${id} has counted ${visits} visits instead of ${expected}`)
    }
    return places
  }
}

export const idsOn = (places: readonly RoomPlace[], { fullName }: NodeProcess): Set<number> =>
  new Set(places.filter(({ node }) => node === fullName).map(({ id }) => id))

/** Those rooms run on another node than before; no other has moved or been started again. */
export function checkOnlyMoved(
  before: readonly RoomPlace[],
  after: readonly RoomPlace[],
  moved: ReadonlySet<number>,
): void {
  for (const [index, room] of before.entries()) {
    const now = after[index]!
    const isSame = now.node === room.node && now.startedAt === room.startedAt
    if (moved.has(room.id)) check(now.node !== room.node, `room ${room.id} is still where it was`)
    else check(isSame, `room ${room.id} was moved or started again without need`)
  }
}

export function showRooms(
  nodes: readonly NodeProcess[],
  places: readonly RoomPlace[],
  moved: ReadonlySet<number>,
  story: Story,
): void {
  story.bars(
    nodes.map((node) => {
      const own = [...idsOn(places, node)]
      const came = own.filter((id) => moved.has(id))
      return { node: node.name, count: own.length, moved: came.length }
    }),
  )
  story.space()
  const marked = new Set([...moved].map((id) => id - 1))
  story.map(
    places.map(({ node }) => node.slice(1, node.indexOf('@'))),
    marked,
  )
}
