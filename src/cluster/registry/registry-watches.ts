/**
 * Who watches the registry on this node, found by key and by prefix: a change costs one look-up by
 * key and one for each distinct length of a watched prefix, and nothing while nobody watches.
 */
import { CitadelError } from '../../base/errors.js'
import { EventQueue } from '../../base/event-queue.js'
import { readOptions, rule } from '../../base/options.js'
import { termKey } from '../../term/key.js'
import type { Claim, ClaimChange, ClaimTable } from '../tables/claim-table.js'
import { beginsWith, type Prefix, PrefixIndex, prefixOf } from './prefix.js'
import { type ChangeReader, presentEvent, type RegistryEvent } from './registry-events.js'

/** One key, or all keys that begin with a string, or with the elements of an array. */
export type RegistrySelector =
  | { readonly key: unknown }
  | { readonly prefix: string | readonly unknown[] }

const EVENTS_MAX = 10_000
const WATCHES_MAX = 10_000

type Interest = { id: string } | { prefix: Prefix } | 'all'

export class RegistryWatches {
  private readonly byKey = new Map<string, Set<EventQueue<RegistryEvent>>>()
  private readonly byPrefix = new PrefixIndex<EventQueue<RegistryEvent>>()
  private readonly ofAll = new Set<EventQueue<RegistryEvent>>()
  private readonly queues = new Set<EventQueue<RegistryEvent>>()
  private closed = false

  constructor(
    private readonly table: ClaimTable,
    private readonly reader: ChangeReader,
  ) {}

  /**
   * What is registered now, then what changes.
   * @throws CitadelError `bad_argument`; `limit_exceeded` when there are 10,000 already.
   */
  watch(selector: RegistrySelector | undefined): AsyncIterableIterator<RegistryEvent> {
    const interest = interestOf(selector)
    if (this.queues.size >= WATCHES_MAX) {
      throw new CitadelError(
        'limit_exceeded',
        `There are ${WATCHES_MAX} subscriptions to the registry already; end some, or watch a prefix.`,
      )
    }
    const present = this.present(interest)
    const queue = new EventQueue<RegistryEvent>(EVENTS_MAX, () => this.remove(queue, interest))
    if (this.closed) queue.close()
    else this.add(queue, interest)
    return new SnapshotFirst(present, queue)
  }

  changed(change: ClaimChange): void {
    if (this.queues.size === 0) return
    const queues = this.interested(change)
    if (queues.length === 0) return
    const event = this.reader.read(change)
    if (event) for (const queue of queues) queue.push(event)
  }

  /** Ends all: the node stops. */
  close(): void {
    this.closed = true
    for (const queue of [...this.queues]) queue.close()
  }

  private interested(key: { id: string; key: unknown }): EventQueue<RegistryEvent>[] {
    const queues = [...this.ofAll, ...this.byPrefix.matching(key)]
    const ofKey = this.byKey.get(key.id)
    if (ofKey) queues.push(...ofKey)
    return queues
  }

  /** The claims that subscribers would have been told of; that takes one look at every key. */
  private present(interest: Interest): Claim[] {
    const claims: Claim[] = []
    for (const claim of this.candidates(interest)) {
      if (!this.reader.isOutlived(claim)) claims.push(claim)
    }
    return claims
  }

  private *candidates(interest: Interest): Iterable<Claim> {
    if (interest === 'all') yield* this.table.toldOwners()
    else if ('id' in interest) {
      const claim = this.table.toldOwner(interest.id)
      if (claim) yield claim
    } else {
      for (const claim of this.table.toldOwners()) {
        if (beginsWith(claim, interest.prefix)) yield claim
      }
    }
  }

  private add(queue: EventQueue<RegistryEvent>, interest: Interest): void {
    this.queues.add(queue)
    if (interest === 'all') this.ofAll.add(queue)
    else if ('prefix' in interest) this.byPrefix.add(interest.prefix, queue)
    else {
      const queues = this.byKey.get(interest.id)
      if (queues) queues.add(queue)
      else this.byKey.set(interest.id, new Set([queue]))
    }
  }

  private remove(queue: EventQueue<RegistryEvent>, interest: Interest): void {
    this.queues.delete(queue)
    if (interest === 'all') this.ofAll.delete(queue)
    else if ('prefix' in interest) this.byPrefix.delete(interest.prefix, queue)
    else {
      const queues = this.byKey.get(interest.id)
      queues?.delete(queue)
      if (queues?.size === 0) this.byKey.delete(interest.id)
    }
  }
}

const SELECTOR_RULES = { key: rule.anything, prefix: rule.anything }

function interestOf(selector: RegistrySelector | undefined): Interest {
  if (selector === undefined) return 'all'
  const { prefix } = readOptions<{ key?: unknown; prefix?: unknown }>(
    'watch',
    selector,
    SELECTOR_RULES,
  )
  const hasKey = Object.hasOwn(selector, 'key')
  if (hasKey === (prefix !== undefined)) {
    throw new CitadelError(
      'bad_argument',
      'watch wants { key }, { prefix }, or nothing for all keys.',
    )
  }
  return 'key' in selector ? { id: termKey(selector.key) } : { prefix: prefixOf(selector.prefix) }
}

/** What was there first; how much that is, the registry bounds. Then what the queue gets. */
class SnapshotFirst implements AsyncIterableIterator<RegistryEvent> {
  private at = 0

  constructor(
    private present: readonly Claim[],
    private readonly queue: EventQueue<RegistryEvent>,
  ) {}

  next(): Promise<IteratorResult<RegistryEvent>> {
    while (this.at < this.present.length) {
      const value = presentEvent(this.present[this.at++]!)
      if (value) return Promise.resolve({ value, done: false })
    }
    this.present = []
    return this.queue.next()
  }

  return(): Promise<IteratorResult<RegistryEvent>> {
    this.present = []
    return this.queue.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
