/**
 * What the demo runs: people with a name and rooms to talk in. Each is a class whose methods are
 * its messages. A room counts its visitors and can move to another node without forgetting them; all
 * that is special about it is that it remembers when it started.
 */
import { GenServer } from '../index.js'

export class Person extends GenServer {
  #name = ''
  readonly #heard: string[] = []

  override init(name: string): void {
    this.#name = name
  }

  greet(who: string): string {
    return `Hello ${who}, I am ${this.#name}`
  }

  heard(): string[] {
    return this.#heard
  }

  override handleInfo(message: unknown): void {
    this.#heard.push(String(message))
  }
}

export interface RoomAnswer {
  readonly node: string
  /** When `init` ended, in milliseconds of the machine's monotonic clock. */
  readonly startedAt: number
  /** How many visitors it remembers. */
  readonly visits: number
}

export class Room extends GenServer {
  #startedAt = 0
  #visits = 0

  override init(): void {
    this.#startedAt = machineTime()
  }

  /** Somebody comes in. */
  visit(): number {
    return ++this.#visits
  }

  /** Where this room is, by its own words. */
  where(): RoomAnswer {
    return { node: this.citadel.name, startedAt: this.#startedAt, visits: this.#visits }
  }

  /** It is to move: what the process that goes on elsewhere has to know. */
  override handoff(): number {
    return this.#visits
  }

  override takeover(visits: number): void {
    this.#visits = visits
  }
}

/** Milliseconds of a clock that all programs of one machine share. */
export function machineTime(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000
}
