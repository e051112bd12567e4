/**
 * Whether the members of this node's view are all connected and agree on who is one, and who waits for
 * so many of them. Looks again whenever a member comes, goes or reports its view.
 */
import type { Clock, Timer } from '../../base/clock.js'
import { CitadelError } from '../../base/errors.js'
import type { ViewTracker } from './view.js'

export interface MembersHereParts {
  readonly node: string
  readonly views: ViewTracker
  readonly clock: Clock
  isUp(node: string): boolean
  /** The members that can be reached, without this node. */
  reachable(): string[]
  onView(listener: () => void): () => void
}

interface Waiting {
  readonly count: number
  readonly resolve: () => void
  readonly reject: (error: CitadelError) => void
  readonly timer: Timer | undefined
}

/** The longest that a timer can run; what is longer has none. */
const TIMER_MAX_MS = 2 ** 31 - 1

export class MembersHere {
  private readonly waiting = new Set<Waiting>()
  private readonly unsubscribe: () => void
  private isStopped = false

  constructor(private readonly parts: MembersHereParts) {
    this.unsubscribe = parts.onView(() => this.look())
  }

  /** The rows of all members that can be reached are here. */
  get haveTold(): boolean {
    return this.parts.reachable().every((node) => this.parts.views.hasReported(node))
  }

  /** Resolves when so many members, this one included, are here and agree. */
  async wait(count: number, timeoutMs: number): Promise<void> {
    if (this.isStopped) throw stopped()
    if (this.here >= count) return
    const { clock } = this.parts
    await new Promise<void>((resolve, reject) => {
      const late = (): void => {
        this.waiting.delete(waiting)
        reject(new CitadelError('timeout', this.sentence(count, timeoutMs)))
      }
      const timer = timeoutMs <= TIMER_MAX_MS ? clock.after(timeoutMs, late) : undefined
      const waiting = { count, resolve, reject, timer }
      this.waiting.add(waiting)
    })
  }

  stop(): void {
    this.isStopped = true
    this.unsubscribe()
    for (const { reject, timer } of this.waiting) {
      timer?.cancel()
      reject(stopped())
    }
    this.waiting.clear()
  }

  /** How many members there are, if they agree; else none that count. */
  private get here(): number {
    const { views } = this.parts
    const { members } = views.current
    const areUp = members.every(({ node }) => this.parts.isUp(node))
    const doAgree = areUp && views.settled && views.allReported
    return doAgree ? members.length : 0
  }

  private look(): void {
    if (this.waiting.size === 0) return
    const { here } = this
    for (const waiting of this.waiting) {
      if (here < waiting.count) continue
      this.waiting.delete(waiting)
      waiting.timer?.cancel()
      waiting.resolve()
    }
  }

  private sentence(count: number, timeoutMs: number): string {
    const { node: self } = this.parts
    const isUp = (name: string): boolean => this.parts.isUp(name)
    const names = this.parts.views.current.members.map(({ node }) => node)
    const there = names.filter(isUp)
    const away = names.filter((name) => !isUp(name))
    const listed = there.map((name) => (name === self ? `${name} (this node)` : name)).join(', ')
    const lost = away.length > 0 ? `; ${away.join(', ')} cannot be reached` : ''
    const unsettled = there.length >= count ? '; they do not agree yet on who is a member' : ''
    return `After ${timeoutMs} ms ${there.length} of ${count} members are here: ${listed}${lost}${unsettled}.`
  }
}

const stopped = (): CitadelError => new CitadelError('stopped', 'The node has stopped.')
