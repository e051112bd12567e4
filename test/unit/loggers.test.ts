import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, test, vi } from 'vitest'
import { createLogger, format, transports } from 'winston'
import { type Logger, silent } from '../../src/base/log.js'
import { safeLog } from '../../src/base/safe-log.js'
import { jsonLogger, loggerOf, pinoLogger, stderrLogger } from '../../src/loggers.js'
import { GenServer } from '../../src/process/gen-server.js'
import { oddValues } from '../support/odd-values.js'
import { rest, testKernel } from '../support/test-kernel.js'

class Fragile extends GenServer {
  boom(): void {
    throw new TypeError('boom on purpose')
  }

  async late(): Promise<void> {
    await Promise.resolve()
    throw new TypeError('late on purpose')
  }

  override handleInfo(message: unknown): unknown {
    return message === 'late' ? this.late() : this.boom()
  }

  throws(make: () => unknown): void {
    throw make()
  }
}

const FRAME = /at Fragile\.boom \(.*loggers\.test\.ts:\d+:\d+\)/g

class Sink extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }

  get json(): Record<string, unknown>[] {
    return this.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}

const neverFails = (error: unknown): never => expect.fail(`the logger failed: ${String(error)}`)

async function crash(logger: Logger): Promise<void> {
  const { node } = testKernel({ log: safeLog(logger, neverFails) })
  const pid = await node.spawn(Fragile)
  await expect(node.call(pid, 'boom')).rejects.toMatchObject({ code: 'exited' })
  await rest()
}

const times = (text: string, what: string | RegExp): number => text.split(what).length - 1

describe('a crash in a handler', () => {
  test('one node: the default logger says it on one line, then the stack, each once', async () => {
    const sink = new Sink()
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => sink.write(text))
    await crash(stderrLogger).finally(() => write.mockRestore())
    const [first, second] = sink.text.split('\n')
    expect(first).toMatch(
      /^\[citadel\] error: <.*> Fragile\.boom failed: TypeError: boom on purpose$/,
    )
    expect(second).toMatch(FRAME)
    expect([times(sink.text, 'boom on purpose'), times(sink.text, FRAME)]).toEqual([1, 1])
  })

  test('one node: so does the console', async () => {
    const sink = new Sink()
    await crash(new Console({ stdout: sink, stderr: sink }))
    expect(sink.text).toMatch(/Fragile\.boom failed TypeError: boom on purpose\n/)
    expect([times(sink.text, 'boom on purpose'), times(sink.text, FRAME)]).toEqual([1, 1])
  })

  test('one node: pino has it as err, with type, message and stack', async () => {
    const sink = new Sink()
    await crash(pinoLogger(pino({}, sink)))
    const [line, ...others] = sink.json
    expect(others).toEqual([])
    expect(line).toMatchObject({
      level: 50,
      msg: expect.stringMatching(/^<.*> Fragile\.boom failed$/),
      err: { type: 'TypeError', message: 'boom on purpose', stack: expect.stringMatching(FRAME) },
    })
  })

  test('one node: a pino logger that is given as it is has the same', async () => {
    const sink = new Sink()
    await crash(loggerOf(pino({}, sink) as unknown as Logger))
    expect(sink.json[0]).toMatchObject({ err: { stack: expect.stringMatching(FRAME) } })
    expect(loggerOf(console)).toBe(console)
    expect(loggerOf(undefined)).toBe(stderrLogger)
  })

  test('one node: it names the method of a call, of a cast, and handleInfo, at once or later', async () => {
    const lines: string[] = []
    const log = { ...silent, error: (message: string) => lines.push(message) }
    const { node } = testKernel({ log: log as Logger })
    const spawn = () => node.spawn(Fragile)
    await node.call(await spawn(), 'boom').catch(() => {})
    node.cast(await spawn(), 'boom')
    await node.call(await spawn(), 'late').catch(() => {})
    node.cast(await spawn(), 'late')
    node.send(await spawn(), 'at once')
    node.send(await spawn(), 'late')
    await rest()
    const named = lines.map((line) => line.replace(/^<.*> /, ''))
    const methods = ['boom', 'boom', 'late', 'late', 'handleInfo', 'handleInfo']
    expect(named.sort()).toEqual(methods.map((method) => `Fragile.${method} failed`).sort())
  })

  test('one node: winston has message and stack', async () => {
    const sink = new Sink()
    const winston = createLogger({
      format: format.json(),
      transports: [new transports.Stream({ stream: sink })],
    })
    await crash(winston)
    const [line, ...others] = sink.json
    expect(others).toEqual([])
    expect(line).toMatchObject({ level: 'error', stack: expect.stringMatching(FRAME) })
    expect(line?.message).toMatch(/^<.*> Fragile\.boom failed boom on purpose$/)
  })

  test('one node: jsonLogger writes one object a line', async () => {
    const lines: string[] = []
    await crash(jsonLogger({ write: (line) => lines.push(line) }))
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'error',
      msg: expect.stringMatching(/Fragile\.boom failed$/),
      err: { name: 'TypeError', message: 'boom on purpose', stack: expect.stringMatching(FRAME) },
    })
  })

  test.each(Object.entries(oddValues))('one node: %s is logged by all of them', async (_, make) => {
    const sink = new Sink()
    const winston = createLogger({ transports: [new transports.Stream({ stream: sink })] })
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => sink.write(text))
    for (const logger of [
      stderrLogger,
      new Console({ stdout: sink, stderr: sink }),
      pinoLogger(pino({}, sink)),
      winston,
      jsonLogger({ write: (line) => sink.write(line) }),
    ]) {
      sink.text = ''
      const { node } = testKernel({ log: safeLog(logger, () => {}) })
      const pid = await node.spawn(Fragile)
      await node.call(pid, 'throws', make).catch(() => {})
      await rest()
      expect(sink.text).toContain('Fragile.throws failed')
      expect(sink.text.length).toBeLessThan(40_000)
    }
    write.mockRestore()
  })
})

describe('a logger', () => {
  test('one node: that throws ends nothing, and is told of', async () => {
    const failures: unknown[] = []
    const fail = () => {
      throw new Error('disk full')
    }
    const bad: Logger = { debug: fail, info: fail, warn: fail, error: fail }
    const { node } = testKernel({ log: safeLog(bad, (error) => failures.push(error)) })
    const pid = await node.spawn(Fragile)
    await expect(node.call(pid, 'boom')).rejects.toMatchObject({ code: 'exited' })
    await node.spawn(Fragile)
    expect(failures).toEqual([new Error('disk full')])
  })

  test('no node: gets one line of bounded length without control characters', () => {
    const lines: string[] = []
    const log = safeLog({ ...stderrLogger, warn: (line) => lines.push(line) }, neverFails)
    log.warn(`a\nb\u001b[31m${'x'.repeat(1_000_000)}`)
    expect(lines[0]).toHaveLength(2_000)
    expect(lines[0]).toMatch(/^a\\nb\\u001b\[31mxxx/)
  })
})
