/**
 * Real Erlang nodes and a real EPMD for interop tests. A node evaluates Erlang code sent to its
 * standard input and ends when that closes, so none outlives its test. Each has its own EPMD port
 * and its own HOME; EPMD and nodes listen on 127.0.0.1 only.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.js'
import { freePort } from './free-port.js'

export interface ErlangOptions {
  /** The whole name, `e1@127.0.0.1`. */
  name: string
  cookie: string
  epmdPort: number
  /** Further arguments of `erl`, such as `-hidden` or `-kernel net_ticktime 8`. */
  args?: string[]
}

export interface ErlangNode {
  readonly name: string
  readonly pid: number
  /**
   * Evaluates expressions (`A = 1, A + 1.`; the full stop may be left out) and answers the value as
   * Erlang prints it with `~tp`. Rejects with the exception's text. One evaluation after the other,
   * all in one process, registered as `citadel_test`; bindings are not kept.
   */
  eval(code: string, timeoutMs?: number): Promise<string>
  /** Compiles and loads a module from its source. */
  load(source: string): Promise<void>
  /** All that the node printed besides its answers: log and error reports. */
  output(): string
  stop(): Promise<void>
}

export interface RealEpmd {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/**
 * True when there is no Erlang here: the suite is to be skipped, and says so. With CI set it throws
 * instead, so that nothing is skipped unseen.
 */
export function erlangMissing(): boolean {
  const isThere = ['erl', 'epmd'].every((program) => !spawnSync(program, ['-h']).error)
  if (isThere) return false
  const message = 'Erlang is not installed: install it (Debian: erlang-base) to run this suite'
  if (process.env.CI) throw new Error(message)
  process.stderr.write(`\nSKIPPED: ${message}\n`)
  return true
}

/** A real EPMD on a port of its own. */
export async function startEpmd(port?: number): Promise<RealEpmd> {
  const at = port ?? (await freePort())
  const args = ['-port', String(at), '-address', '127.0.0.1', '-relaxed_command_check']
  const child = spawn('epmd', args, { stdio: 'ignore' })
  const stop = () => kill(child)
  try {
    await eventually(() => isListening(at), { what: `EPMD on port ${at}` })
  } catch (error) {
    await stop()
    throw error
  }
  return { port: at, pid: child.pid!, stop }
}

export async function startErlang(options: ErlangOptions): Promise<ErlangNode> {
  const home = await mkdtemp(join(tmpdir(), 'citadel-erl-'))
  const node = new Evaluator(options, home)
  try {
    await node.eval('node().')
  } catch (error) {
    await node.stop()
    throw new Error(`Erlang did not start as ${options.name}: ${node.output()}`, { cause: error })
  }
  return node
}

/** Reads `Id Base64` lines, evaluates, and prints `<mark> Id ok|error Base64`. */
const MARK = '##citadel##'
const LOOP = `
  register(citadel_test, self()),
  io:setopts(standard_io, [binary, {encoding, latin1}]),
  Print = fun(Id, Kind, Text) ->
    Bytes = unicode:characters_to_binary(Text),
    io:put_chars(["\\n${MARK} ", Id, " ", Kind, " ", base64:encode(Bytes), "\\n"])
  end,
  Eval = fun(Id, Code) ->
    try
      {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(base64:decode(Code))),
      {ok, Exprs} = erl_parse:parse_exprs(Tokens),
      {value, Value, _} = erl_eval:exprs(Exprs, []),
      Print(Id, "ok", io_lib:format("~tp", [Value]))
    catch Class:Reason:Stack ->
      Print(Id, "error", io_lib:format("~tp:~tp~n~tp", [Class, Reason, Stack]))
    end
  end,
  Loop = fun Loop() ->
    case io:get_line("") of
      Line when is_binary(Line) ->
        [Id, Code] = binary:split(string:trim(Line), <<" ">>),
        Eval(Id, Code),
        Loop();
      _ -> erlang:halt(0, [{flush, false}])
    end
  end,
  Loop().`

interface Waiting {
  resolve(value: string): void
  reject(error: Error): void
}

class Evaluator implements ErlangNode {
  readonly name: string
  readonly #child: ChildProcess
  readonly #home: string
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #unread = ''
  #printed = ''

  constructor({ name, cookie, epmdPort, args = [] }: ErlangOptions, home: string) {
    this.name = name
    this.#home = home
    const network = ['-kernel', 'inet_dist_use_interface', '{127,0,0,1}', '-start_epmd', 'false']
    const identity = ['-name', name, '-setcookie', cookie]
    this.#child = spawn(
      'erl',
      ['-noshell', ...identity, ...network, ...args, '-eval', LOOP.replace(/\s+/g, ' ')],
      {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: {
          ...process.env,
          HOME: home,
          ERL_EPMD_PORT: String(epmdPort),
          ERL_CRASH_DUMP: '/dev/null',
        },
      },
    )
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#printed += text
    })
    this.#child.stdin!.on('error', () => {})
    this.#child.on('close', () => this.#failAll(`the Erlang node ${name} has ended`))
    this.#child.on('error', (error) => this.#failAll(String(error)))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  output(): string {
    return this.#printed
  }

  eval(code: string, timeoutMs = 20_000): Promise<string> {
    const id = this.#nextId++
    const whole = code.trimEnd().endsWith('.') ? code : `${code}.`
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        reject(new Error(`the Erlang node ${this.name} has ended`))
        return
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`no answer from ${this.name} within ${timeoutMs} ms to: ${code}`))
      }, timeoutMs)
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer)
          settle(value)
        }
      }
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) })
      this.#child.stdin!.write(`${id} ${Buffer.from(whole).toString('base64')}\n`)
    })
  }

  async load(source: string): Promise<void> {
    const encoded = Buffer.from(source).toString('base64')
    await this.eval(`
      {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(base64:decode("${encoded}"))),
      {Forms, []} = lists:foldl(
        fun({dot, _} = Dot, {Done, Open}) ->
              {ok, Form} = erl_parse:parse_form(lists:reverse([Dot | Open])),
              {[Form | Done], []};
           (Token, {Done, Open}) -> {Done, [Token | Open]}
        end, {[], []}, Tokens),
      {ok, Module, Binary} = compile:forms(lists:reverse(Forms)),
      {module, Module} = code:load_binary(Module, "citadel_test", Binary).`)
  }

  async stop(): Promise<void> {
    await kill(this.#child)
    await rm(this.#home, { recursive: true, force: true })
  }

  #read(text: string): void {
    const lines = (this.#unread + text).split('\n')
    this.#unread = lines.pop()!
    for (const line of lines) {
      if (line.startsWith(`${MARK} `)) this.#answer(line.split(' '))
      else if (line !== '') this.#printed += `${line}\n`
    }
  }

  #answer([, id, kind, encoded]: string[]): void {
    const waiting = this.#waiting.get(Number(id))
    this.#waiting.delete(Number(id))
    const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
    if (kind === 'ok') waiting?.resolve(text)
    else waiting?.reject(new Error(text))
  }

  #failAll(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message))
    this.#waiting.clear()
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Ends a process that was started here and waits until it has ended. */
function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
