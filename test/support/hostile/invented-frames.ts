/**
 * Frames for an authenticated link: what members and Erlang nodes say to each other with parts of it
 * replaced, and what nobody says. Those with changed bytes mostly end the connection.
 */
import { PARTS } from '../../../src/cluster/replication/row-digests.js'
import { OP, PASS_THROUGH } from '../../../src/distribution/control-op.js'
import { Atom } from '../../../src/term/atom.js'
import { encodeTerm } from '../../../src/term/codec.js'
import { ImproperList } from '../../../src/term/improper-list.js'
import { Pid } from '../../../src/term/pid.js'
import { Ref } from '../../../src/term/ref.js'
import { Tuple } from '../../../src/term/tuple.js'
import type { SeededRandom } from '../../../src/testing/seeded-random.js'
import {
  anyPid,
  anyRef,
  collidingFloats,
  mutated,
  oddLeaf,
  oddTerm,
  type Parties,
} from './invented-terms.js'

export type Role = 'member' | 'erlang'

/** A whole frame: its length, the control message, and the payload if there is one. */
export function frame(control: unknown, payload?: { term: unknown }): Buffer {
  const parts = [Buffer.of(PASS_THROUGH), encodeTerm(control)]
  if (payload) parts.push(encodeTerm(payload.term))
  const body = Buffer.concat(parts)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body])
}

const NOTHING = new Atom('')
const RECIPE = { module: 'Worker', args: ['x'], restart: 'permanent', shutdownMs: 5, token: 't' }
/** What is said to these must be understood, or the link ends. */
const STRICT = ['citadel_scopes', 'citadel_moves']
const NAMES = [
  ...['citadel', 'citadel_rows', 'citadel_supervisor_workers', 'net_kernel', 'target', 'rex'],
  ...['global_name_server', 'nobody'],
]

export const BIG_KINDS = 4
/** Made once: they take long. */
let colliding: readonly number[] | undefined

export class Inventor {
  readonly #self: Pid
  #scopes = 0

  constructor(
    private readonly chance: SeededRandom,
    private readonly parties: Parties,
    private readonly role: Role,
    /** Processes of the target that no peer may end. */
    private readonly systemIds: readonly number[],
  ) {
    this.#self = new Pid(parties.self.name, 80, 0, parties.self.creation)
  }

  /** A frame that may keep the link alive. */
  next(): Buffer {
    const roll = this.chance.below(100)
    if (roll < 45 && this.role === 'member') return this.#toMember()
    if (roll < 60) return this.#request()
    return roll < 80 ? this.#signal() : this.#message()
  }

  /** A frame that ends the link if it is noticed: with parts or bytes that cannot be. */
  broken(): Buffer {
    const { chance } = this
    if (chance.chance(0.2)) return this.#named(chance.pick(NAMES), this.#odd(), this.#pid())
    if (chance.chance(0.2)) return this.#named(chance.pick(STRICT), this.#odd())
    if (chance.chance(0.2)) {
      return frame(this.#control(), chance.chance(0.5) ? { term: this.#odd() } : undefined)
    }
    if (chance.chance(0.2) && this.role === 'member') {
      return this.#named('citadel_scopes', mutated(this.#scopeMessage(), chance, this.parties))
    }
    return this.#changed(Buffer.from(this.next()))
  }

  /** Some bytes are others; the length is mostly right. */
  #changed(bytes: Buffer): Buffer {
    for (let n = 1 + this.chance.below(4); n > 0; n--) {
      bytes[4 + this.chance.below(Math.max(1, bytes.length - 4))] = this.chance.below(256)
    }
    if (this.chance.chance(0.1)) bytes.writeUInt32BE(this.chance.uint32(), 0)
    return bytes
  }

  /** Many links to one process, and monitors of it, each in the name of another process. */
  flood(count: number): Buffer[] {
    const { name, creation } = this.parties.self
    const to = this.#protectedPid()
    return Array.from({ length: count }, (_, n) => {
      const from = new Pid(name, 1_000 + n, 0, creation)
      const control = n % 2 === 0 ? [OP.LINK, from, to] : [OP.MONITOR_P, from, to, this.#ownRef()]
      return frame(new Tuple(...control))
    })
  }

  /** A frame that costs more than it should: there are `BIG_KINDS` of them. */
  big(kind: number): Buffer {
    switch (kind) {
      case 0:
        colliding ??= collidingFloats(20_000)
        return this.#named('target', new Map(colliding.map((key) => [key, 1])))
      case 1: {
        const atoms = Array.from({ length: 20_000 }, () => new Atom(`many${this.chance.uint32()}`))
        return this.#named('target', atoms)
      }
      case 2:
        return this.#named(
          'target',
          Array.from({ length: 200_000 }, () => new Tuple()),
        )
      default:
        return this.#named('citadel_scopes', this.#manyScopes(9_000))
    }
  }

  #odd(): unknown {
    return oddTerm(this.chance, this.parties)
  }

  #pid(): Pid {
    return anyPid(this.chance, this.parties)
  }

  /** One of its own: who sends in the name of others is cut off at once. */
  #sender(): Pid {
    const { name, creation } = this.parties.self
    return this.chance.chance(0.5) ? this.#self : new Pid(name, this.chance.below(200), 0, creation)
  }

  #named(name: string, term: unknown, sender = this.#sender()): Buffer {
    return frame(new Tuple(OP.REG_SEND, sender, NOTHING, new Atom(name)), { term })
  }

  #message(): Buffer {
    const term = this.#odd()
    const { chance } = this
    if (chance.chance(0.5)) return this.#named(chance.pick(NAMES), term)
    if (chance.chance(0.3)) {
      const control = new Tuple(OP.ALIAS_SEND, this.#sender(), anyRef(chance, this.parties))
      return frame(control, { term: chance.chance(0.5) ? this.#answer() : term })
    }
    return frame(new Tuple(OP.SEND_SENDER, this.#sender(), this.#targetPid()), {
      term: chance.chance(0.3) ? this.#answer() : term,
    })
  }

  /** Of any process of the target. */
  #targetPid(): Pid {
    const { name, creation } = this.parties.target
    return new Pid(name, 75 + this.chance.below(40), 0, creation)
  }

  #ownRef(): Ref {
    const { name, creation } = this.parties.self
    return new Ref(name, creation, [this.chance.below(2 ** 18), this.chance.uint32(), 1])
  }

  /** To a call that was perhaps made, of somebody else. */
  #answer(): unknown {
    const { name, creation } = this.parties.target
    const ref = new Ref(name, creation, [this.chance.below(50), 0, 0])
    const tag = this.chance.chance(0.5) ? ref : new ImproperList([new Atom('alias')], ref)
    return new Tuple(tag, 'forged')
  }

  #request(): Buffer {
    const { chance } = this
    const tag = chance.chance(0.5) ? this.#ownRef() : anyRef(chance, this.parties)
    const request = chance.chance(0.8)
      ? mutatedRequest(chance, this.parties, this.#self)
      : this.#odd()
    const label = new Atom(chance.chance(0.8) ? '$gen_call' : '$gen_cast')
    const from = new Tuple(this.#sender(), tag)
    const term =
      label.name === '$gen_call' ? new Tuple(label, from, request) : new Tuple(label, request)
    return this.#named(chance.pick(NAMES), term)
  }

  /** Links, monitors and exits, to any number. */
  #signal(): Buffer {
    const { chance } = this
    const [from, to] = [this.#sender(), this.#protectedPid()]
    const ref = this.#ownRef()
    switch (chance.below(7)) {
      case 0:
        return frame(new Tuple(OP.LINK, from, to))
      case 1:
        return frame(new Tuple(OP.UNLINK_ID, chance.below(100), from, to))
      case 2:
        return frame(new Tuple(OP.MONITOR_P, from, to, ref))
      case 3:
        return frame(new Tuple(OP.DEMONITOR_P, from, to, ref))
      case 4: {
        const op = chance.pick([OP.PAYLOAD_EXIT, OP.PAYLOAD_EXIT2])
        return frame(new Tuple(op, from, to), { term: this.#reason() })
      }
      case 5:
        return frame(new Tuple(OP.PAYLOAD_MONITOR_P_EXIT, from, to, ref), { term: this.#odd() })
      default:
        return frame(new Tuple(OP.SPAWN_REQUEST, ref, from, from, this.#odd(), []), {
          term: this.#odd(),
        })
    }
  }

  /** Links and exits go to processes of the system and to nobody: those of users do end by them. */
  #protectedPid(): Pid {
    const { chance } = this
    const { name, creation } = this.parties.target
    const id = chance.chance(0.7) ? chance.pick(this.systemIds) : 5_000 + chance.below(100)
    return new Pid(name, id, 0, creation)
  }

  #reason(): unknown {
    return this.chance.chance(0.5) ? new Atom('kill') : this.#odd()
  }

  #control(): unknown {
    const { chance } = this
    const op = chance.chance(0.9) ? chance.pick(Object.values(OP)) : this.#odd()
    const rest = Array.from({ length: chance.below(5) }, () =>
      chance.chance(0.5) ? this.#sender() : oddLeaf(chance, this.parties),
    )
    return new Tuple(op, ...rest)
  }

  #toMember(): Buffer {
    const { chance } = this
    if (chance.chance(0.3)) return this.#named('citadel', this.#introduction())
    return this.#named('citadel_scopes', this.#scopeMessage())
  }

  #introduction(): unknown {
    const { chance, parties } = this
    const id = { node: parties.friend.name, creation: parties.friend.creation }
    const invented = { node: `x${chance.below(50)}@127.0.0.1`, creation: 1, addresses: [] }
    const offer = { version: 1, features: [], modules: ['Worker'], weight: 1, addresses: [] }
    const term = chance.pick<Record<string, unknown>>([
      { type: 'capability', ...offer, members: [invented] },
      { type: 'capability', ...offer, members: [{ ...id, addresses: ['tcp://127.0.0.1:1'] }] },
      { type: 'status', unreachable: [id], agrees: [id] },
      { type: 'status', unreachable: [], agrees: [], doubting: true },
    ])
    return chance.chance(0.7) ? mutated(term, chance, parties) : term
  }

  #manyScopes(count: number): unknown[] {
    const heads = Array.from({ length: count }, () => [`c:made up ${this.#scopes++}`, 0, 0, 0, 0])
    return ['h', 1, heads, 0, 0]
  }

  #scopeMessage(): unknown[] {
    const { chance } = this
    const key = `evil ${chance.below(100)}`
    const mine = this.#self
    const number = chance.below(50)
    const epoch = chance.pick<unknown>([1, 2 ** 53 - 1, Date.now() * 1_000, 2 ** 60])
    const claim = [key, null, mine, epoch, false, null]
    const put = chance.pick<[string, unknown[]]>([
      ['c:registry', claim],
      ['g:groups', [key, 'evil', null, mine, 1, null]],
      ['s:supervisor/workers', [key, null, { ...RECIPE, module: 'None' }, epoch, mine.node]],
      ['c:supervisor/workers', claim],
    ])
    const [scope, good] = put
    const row = chance.chance(0.5) ? good : (mutated(good, chance, this.parties) as unknown[])
    return chance.pick<unknown[]>([
      ['h', 1, [[scope, number, 0, chance.pick([0, 1, 2 ** 53 - 1]), 0]], number, 0],
      ['u', scope, number, [row], true],
      ['u', scope, number, [[key]], false],
      ['a', scope, number],
      ['n', scope, chance.below(2)],
      ['s', scope, number, 0, number, [row]],
      ['c', scope, number, number],
      ['d', 's:supervisor/workers', Array.from({ length: PARTS }, () => chance.uint32())],
      ['o', 's:supervisor/workers', [row]],
      ['q', [[number, number, 'c:registry', key, mine, false, 0, 0]]],
      ['g', [[number, 'granted', epoch]]],
      ['r', [number]],
      this.#manyScopes(20),
    ])
  }
}

/** What the node's own servers are asked, with parts replaced. */
function mutatedRequest(chance: SeededRandom, parties: Parties, mine: Pid): unknown {
  const key = `evil ${chance.below(100)}`
  const request = chance.pick<unknown[]>([
    ['register', key, mine, false, null, 1_000],
    ['register', key, mine, false, null, { a: 1 }],
    ['unregister', key],
    ['update', key, { a: 1 }],
    ['join', key, mine, null],
    ['leave', key, mine],
    ['giveUp', key, 5, mine],
    ['start', key, key, { ...RECIPE, module: 'None' }],
    ['terminateChild', key, key, chance.pick([0, 2 ** 53 - 1])],
    ['plan'],
    ['move', key, parties.friend.name],
    ['takeOver', key],
    ['released', key],
  ])
  const [method, ...args] = request
  const changed = chance.chance(0.7) ? (mutated(args, chance, parties) as unknown[]) : args
  return new Tuple(new Atom(method as string), ...(Array.isArray(changed) ? changed : [changed]))
}
