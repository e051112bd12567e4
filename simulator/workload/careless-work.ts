/**
 * Users who do not know the rules, in a quiet time: they throw, pass, return and register odd values,
 * misspell options and methods, and start what cannot start. Each is told what is wrong, by one code
 * (I20), and everybody else goes on.
 */
import type { ServerModule } from '../../src/kernel/process-port.js'
import type { Pid } from '../../src/term/pid.js'
import type { SeededRandom } from '../../src/testing/seeded-random.js'
import type { Ledgers } from '../checks/ledgers.js'
import type { ClusterMember } from '../cluster/cluster-member.js'
import { BAD_STARTS, CARELESS_CLASS, THROWN, UNFIT } from './careless-processes.js'
import { verbs } from './workload-operation.js'

const ID = 4_000
const DEEDS = 40
const SHORT_MS = 50
const FINE = 'no error'
const CANNOT_CROSS = ['unserializable', 'limit_exceeded'] as const

interface Place {
  /** Who does it. */
  readonly member: ClusterMember
  /** A process of that node, or of another. */
  readonly pid: Pid
  /** A name or id that nobody else uses. */
  readonly number: number
}

type Deed = (place: Place) => Promise<unknown>
type On = (member: ClusterMember, task: (member: ClusterMember) => Promise<void>) => void

/** The same things without their types, as JavaScript has them. */
interface Loose {
  spawn(what: unknown, args?: unknown, options?: unknown): Promise<Pid>
  call(to: unknown, method: unknown, ...args: unknown[]): Promise<unknown>
  with(options: unknown): Pick<Loose, 'call'>
  registry: {
    register(key: unknown, pid: unknown, options?: unknown): Promise<void>
    update(key: unknown, meta: unknown): Promise<void>
  }
  groups: { join(group: unknown, pid: unknown, options?: unknown): Promise<void> }
}

interface LooseSupervisor {
  startChild(module: unknown, args: unknown, options?: unknown): Promise<Pid>
}

const loose = ({ citadel }: ClusterMember): Loose => citadel as unknown as Loose
const looseSupervisor = ({ supervisor }: ClusterMember): LooseSupervisor =>
  supervisor as unknown as LooseSupervisor

/** What is waited for is the value; what refuses to be looked at ends the process that gives it. */
function answers(what: string): readonly string[] {
  if (what === 'a promise') return [FINE]
  return what === 'a throwing proxy' ? [...CANNOT_CROSS, 'exited'] : CANNOT_CROSS
}

export class CarelessWork {
  deeds = 0
  private readonly deedsByName: readonly (readonly [string, readonly string[], Deed])[]

  constructor(
    private readonly ledgers: Ledgers,
    private readonly random: SeededRandom,
    private readonly Careless: ServerModule,
    private readonly on: On,
    private readonly allDone: () => Promise<void>,
  ) {
    this.deedsByName = this.all()
  }

  async run(): Promise<void> {
    const { living } = this.ledgers.oracle.cluster
    for (let number = 0; number < DEEDS; number++) {
      const [name, codes, deed] = this.random.pick(this.deedsByName)
      const [member, home] = [this.random.pick(living), this.random.pick(living)]
      this.on(member, () =>
        this.carryOut(`${name} on ${member.name}`, codes, deed, member, home, number),
      )
    }
    await this.allDone()
    for (const member of living) this.on(member, () => this.serves(member))
    await this.allDone()
  }

  private async carryOut(
    text: string,
    codes: readonly string[],
    deed: Deed,
    member: ClusterMember,
    home: ClusterMember,
    number: number,
  ): Promise<void> {
    const { oracle } = this.ledgers
    const pid = await verbs(home).spawn(this.Careless, [])
    let came: string = FINE
    try {
      await deed({ member, pid, number })
    } catch (error) {
      came = (error as { code?: string } | undefined)?.code ?? String(error)
    }
    this.deeds++
    oracle.tell(`${text}: ${came}`)
    if (!codes.includes(came)) {
      oracle.breaks('I20', `${text} came to ${came}, not ${codes.join(' or ')}`)
    }
    home.citadel.exit(pid, 'kill')
  }

  /** The node is as it was. */
  private async serves(member: ClusterMember): Promise<void> {
    const pid = await verbs(member).spawn(this.Careless, [])
    const answer = await verbs(member).call(pid, 'fine')
    if (answer !== 'fine') this.ledgers.oracle.breaks('I20', `${member.name} answers ${answer}`)
    member.citadel.exit(pid, 'shutdown')
  }

  private all(): (readonly [string, readonly string[], Deed])[] {
    const deeds: [string, readonly string[], Deed][] = []
    for (const what of Object.keys(THROWN)) {
      for (const method of ['fail', 'failLater']) {
        deeds.push([`${method} with ${what}`, ['exited'], (at) => this.call(at, method, what)])
      }
      deeds.push([
        `init that throws ${what}`,
        ['init_failed'],
        (at) => this.start(at, 'throws', what),
      ])
    }
    for (const [what, make] of Object.entries(UNFIT)) {
      deeds.push([`a call with ${what}`, CANNOT_CROSS, (at) => this.call(at, 'fine', make())])
      deeds.push([`an answer that is ${what}`, answers(what), (at) => this.call(at, 'give', what)])
      deeds.push([`a child with ${what}`, CANNOT_CROSS, (at) => this.child(at, [make()])])
      deeds.push([`a child with ${what}`, CANNOT_CROSS, (at) => this.child(at, [make()])])
      deeds.push([`metadata with ${what}`, CANNOT_CROSS, (at) => this.register(at, make())])
    }
    for (const how of BAD_STARTS) {
      deeds.push([`init that ${how}`, ['init_failed'], (at) => this.start(at, how, 'a cycle')])
      deeds.push([`a child that ${how}`, ['init_failed'], (at) => this.child(at, [how, 'a cycle'])])
    }
    return [...deeds, ...this.misspelt()]
  }

  private misspelt(): [string, readonly string[], Deed][] {
    const bad = ['bad_argument']
    const oddKey = (): unknown => ({ in: UNFIT['a cycle']!() })
    return [
      ['a method that is not there', ['undefined_method'], (at) => this.call(at, 'fyne')],
      ['a handler that never returns', ['timeout'], (at) => this.hold(at)],
      [
        'a time-out that is none',
        bad,
        ({ member, pid }) => loose(member).with({ timeoutMs: 'x' }).call(pid, 'fine'),
      ],
      ['{ froce }', bad, (at) => this.register(at, 1, { froce: true })],
      ['{ restrat }', bad, (at) => this.child(at, [], { restrat: 'permanent' })],
      [
        'a child without id',
        bad,
        ({ member }) => looseSupervisor(member).startChild(CARELESS_CLASS, [], {}),
      ],
      [
        'a child of no class',
        ['no_placement'],
        ({ member, number }) =>
          looseSupervisor(member).startChild('Nobody', [], { id: ID + number }),
      ],
      [
        'a key that is no value',
        ['bad_argument', 'limit_exceeded'],
        ({ member, pid }) => loose(member).registry.register(oddKey(), pid),
      ],
      [
        'no pid',
        bad,
        ({ member, number }) => loose(member).registry.register(`odd-${number}`, 'pid'),
      ],
      [
        'metadata for nobody',
        ['not_found'],
        ({ member, number }) => loose(member).registry.update(`odd-${number}`, 1),
      ],
      ['a group for no pid', bad, ({ member }) => loose(member).groups.join('odd', {})],
    ]
  }

  private call({ member, pid }: Place, method: string, ...args: unknown[]): Promise<unknown> {
    return loose(member).call(pid, method, ...args)
  }

  private start({ member }: Place, ...args: unknown[]): Promise<unknown> {
    return loose(member).spawn(this.Careless, args)
  }

  private child(
    { member, number }: Place,
    args: unknown[],
    options: object = {},
  ): Promise<unknown> {
    const id = ID + number
    return looseSupervisor(member).startChild(CARELESS_CLASS, args, { id, ...options })
  }

  private register(
    { member, pid, number }: Place,
    meta: unknown,
    options: object = {},
  ): Promise<void> {
    return loose(member).registry.register(`odd-${number}`, pid, { meta, ...options })
  }

  /** Not a moment before its time. */
  private async hold({ member, pid }: Place): Promise<unknown> {
    const startedAt = member.program.clock.now()
    try {
      return await loose(member).with({ timeoutMs: SHORT_MS }).call(pid, 'hold')
    } catch (error) {
      const tookMs = member.program.clock.now() - startedAt
      if (tookMs < SHORT_MS) throw new Error(`it took ${tookMs} ms`, { cause: error })
      throw error
    }
  }
}
