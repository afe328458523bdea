using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Isa.X86_64.Oracle;

/// <summary>An access that the oracle made, to be held against the model's trace.</summary>
internal readonly record struct OracleEvent(int Thread, TraceEventKind Kind, ulong Address, int Width, ulong Value);

/// <summary>
/// x86-TSO and SC, written from their definition (Owens, Sarkar, Sewell, TPHOLs 2009) over the parsed instructions and
/// nothing of the model: every instruction of every thread is a step, every waiting store reaching memory is a step,
/// and states are compared as they are.
/// </summary>
internal sealed class OracleMachine(LitmusTest test, CoreKind core)
{
    private readonly MemoryLayout _layout = new(test.Variables);

    /// <summary>Receives each access, if the caller sets it.</summary>
    public Action<OracleEvent>? Recorder { get; set; }

    public OracleState InitialState()
    {
        var memory = new Dictionary<ulong, byte>();
        var state = new OracleState(memory, [.. test.Threads.Select(_ => new OracleThread())]);
        foreach (Variable variable in test.Variables)
        {
            ulong address = _layout.ModelAddressOf(variable.Name);
            foreach (InitialValue value in variable.InitialValues)
            {
                state.WriteMemory(address, variable.Type.Width, _layout.Resolve(value, MemoryLayout.ModelBase));
                address += (ulong)variable.Type.Width;
            }
        }

        foreach (LitmusThread thread in test.Threads)
        {
            foreach ((TestRegister register, InitialValue value) in thread.InitialRegisters)
            {
                state.Threads[thread.Id].Registers[register.Number] = _layout.Resolve(value, MemoryLayout.ModelBase);
            }
        }

        return state;
    }

    public bool IsHalted(OracleState state, int thread) =>
        state.Threads[thread].At == test.Threads[thread].InstructionsAs<X86_64Instruction>().Count;

    /// <summary>Everything that can happen next.</summary>
    public IEnumerable<OracleState> Successors(OracleState state)
    {
        for (int thread = 0; thread < state.Threads.Length; thread++)
        {
            OracleState next = state.Clone();
            if (Step(next, thread))
            {
                yield return next;
            }

            next = state.Clone();
            if (Drain(next, thread))
            {
                yield return next;
            }

            foreach (int owing in state.Threads[thread].Owed ?? [])
            {
                next = state.Clone();
                if (PassFence(next, thread, owing))
                {
                    yield return next;
                }
            }
        }
    }

    /// <summary>The oldest waiting store of a thread reaches memory, if there is one.</summary>
    public bool Drain(OracleState state, int thread)
    {
        List<(ulong Address, int Width, ulong Value)> buffer = state.Threads[thread].Buffer;
        if (buffer.Count == 0)
        {
            return false;
        }

        (ulong address, int width, ulong value) = buffer[0];
        buffer.RemoveAt(0);
        state.WriteMemory(address, width, value);
        Recorder?.Invoke(new OracleEvent(thread, TraceEventKind.ReachMemory, address, width, value));
        return true;
    }

    /// <summary>
    /// A thread passes the full fence that another one's membarrier demands: between two of its instructions, with
    /// nothing waiting.
    /// </summary>
    public static bool PassFence(OracleState state, int demanding, int owing)
    {
        OracleThread thread = state.Threads[owing];
        return thread.Buffer.Count == 0 && thread.Read is null && state.Threads[demanding].Owed!.Remove(owing);
    }

    /// <summary>
    /// A thread executes an instruction, or the first or second half of one that reads and writes memory without a
    /// lock, if it can.
    /// </summary>
    public bool Step(OracleState state, int id)
    {
        OracleThread thread = state.Threads[id];
        if (IsHalted(state, id))
        {
            return false;
        }

        X86_64Instruction instruction = test.Threads[id].InstructionsAs<X86_64Instruction>()[thread.At];
        switch (instruction.Opcode)
        {
            case X86_64Opcode.Jmp:
                thread.At = test.Threads[id].Labels[instruction.Target!];
                return true;
            case X86_64Opcode.Jcc:
                thread.At = OracleArithmetic.Holds(instruction.Condition, thread)
                    ? test.Threads[id].Labels[instruction.Target!]
                    : thread.At + 1;
                return true;
            case X86_64Opcode.Ret:
                thread.At = test.Threads[id].InstructionsAs<X86_64Instruction>().Count;
                return true;
            case X86_64Opcode.Sfence or X86_64Opcode.Lfence or X86_64Opcode.Nop or X86_64Opcode.Pause:
                thread.At++;
                return true;
            case X86_64Opcode.Mfence:
                if (thread.Buffer.Count != 0)
                {
                    return false;
                }

                Recorder?.Invoke(new OracleEvent(id, TraceEventKind.Fence, 0, 0, 0));
                thread.At++;
                return true;
            case X86_64Opcode.Membarrier:
                return instruction.Command == MembarrierCommand.PrivateExpeditedRseq
                    ? ++thread.At > 0
                    : StepMembarrier(state, id);
            default:
                return StepData(state, id, instruction);
        }
    }

    private bool StepMembarrier(OracleState state, int id)
    {
        OracleThread thread = state.Threads[id];
        if (thread.Owed is null)
        {
            if (thread.Buffer.Count != 0)
            {
                return false;
            }

            thread.Owed = [.. Enumerable.Range(0, state.Threads.Length).Where(other => other != id)];
            Recorder?.Invoke(new OracleEvent(id, TraceEventKind.RequestFences, 0, 0, 0));
            return true;
        }

        if (thread.Owed.Count != 0)
        {
            return false;
        }

        thread.Owed = null;
        thread.At++;
        Recorder?.Invoke(new OracleEvent(id, TraceEventKind.AwaitFences, 0, 0, 0));
        return true;
    }

    private bool StepData(OracleState state, int id, X86_64Instruction instruction)
    {
        OracleThread thread = state.Threads[id];
        X86_64MemoryOperand? memory = instruction.Opcode == X86_64Opcode.Lea ? null : instruction.Memory;
        bool isDestination = memory is not null && ReferenceEquals(instruction.Operands[^1], memory);
        bool reads =
            memory is not null && !(isDestination && instruction.Opcode is X86_64Opcode.Mov or X86_64Opcode.Set);
        bool writes = isDestination && instruction.Opcode is not (X86_64Opcode.Cmp or X86_64Opcode.Test);
        bool atomic = instruction.Lock || (instruction.Opcode == X86_64Opcode.Xchg && memory is not null);
        if (atomic && thread.Buffer.Count != 0)
        {
            return false;
        }

        ulong address = memory is null ? 0 : Address(thread, memory);
        ulong content = 0;
        if (reads)
        {
            content = thread.Read ?? Load(state, id, address, instruction.SourceWidth, atomic);
            if (writes && !atomic && thread.Read is null)
            {
                thread.Read = content;
                return true;
            }
        }

        ulong Value(int operand) =>
            instruction.Operands[operand] switch
            {
                X86_64ImmediateOperand immediate => (ulong)immediate.Value,
                X86_64AddressOperand location => _layout.ModelAddressOf(location.Variable),
                X86_64RegisterOperand register => thread.Registers[(int)register.Register],
                _ => instruction.Opcode == X86_64Opcode.Lea
                    ? Address(thread, (X86_64MemoryOperand)instruction.Operands[operand])
                    : content,
            };

        ulong source = Value(0);
        ulong destination = Value(instruction.Operands.Count - 1);
        ulong? result = Compute(
            thread,
            instruction,
            source,
            destination,
            out ulong? toSource,
            out ulong? toAccumulator
        );
        thread.Read = null;
        thread.At++;
        // The source is written first: "xadd %eax,%eax" ends with the sum.
        if (toSource is ulong exchanged)
        {
            WriteRegister(
                thread,
                ((X86_64RegisterOperand)instruction.Operands[0]).Register,
                instruction.Width,
                exchanged
            );
        }

        if (result is ulong value)
        {
            if (instruction.Operands[^1] is X86_64RegisterOperand target)
            {
                WriteRegister(thread, target.Register, instruction.Width, value);
            }
            else
            {
                Store(state, id, address, instruction.Width, OracleArithmetic.Cut(value, instruction.Width), atomic);
            }
        }

        if (toAccumulator is ulong found)
        {
            WriteRegister(thread, X86_64Register.Rax, instruction.Width, found);
        }

        return true;
    }

    private static ulong? Compute(
        OracleThread thread,
        X86_64Instruction instruction,
        ulong source,
        ulong destination,
        out ulong? toSource,
        out ulong? toAccumulator
    )
    {
        toSource = null;
        toAccumulator = null;
        int width = instruction.Width;
        switch (instruction.Opcode)
        {
            case X86_64Opcode.Mov or X86_64Opcode.Lea:
                return source;
            case X86_64Opcode.Movzx:
                return OracleArithmetic.Cut(source, instruction.SourceWidth);
            case X86_64Opcode.Movsx:
                return OracleArithmetic.Cut(OracleArithmetic.Signed(source, instruction.SourceWidth), width);
            case X86_64Opcode.Xchg:
                toSource = destination;
                return source;
            case X86_64Opcode.Xadd:
                toSource = destination;
                return OracleArithmetic.Run(X86_64Opcode.Xadd, thread, destination, source, width);
            case X86_64Opcode.Cmpxchg:
                OracleArithmetic.Run(
                    X86_64Opcode.Cmp,
                    thread,
                    thread.Registers[(int)X86_64Register.Rax],
                    destination,
                    width
                );
                toAccumulator = thread.Zero ? null : destination;
                return thread.Zero ? source : destination;
            case X86_64Opcode.Set:
                return OracleArithmetic.Holds(instruction.Condition, thread) ? 1UL : 0UL;
            case X86_64Opcode.Cmov:
                return OracleArithmetic.Holds(instruction.Condition, thread) ? source : destination;
            case X86_64Opcode.Cmp or X86_64Opcode.Test:
                OracleArithmetic.Run(instruction.Opcode, thread, destination, source, width);
                return null;
            default:
                return OracleArithmetic.Run(instruction.Opcode, thread, destination, source, width);
        }
    }

    private ulong Load(OracleState state, int id, ulong address, int width, bool atomic)
    {
        ulong value = atomic ? state.ReadMemory(address, width) : state.Load(id, address, width);
        Recorder?.Invoke(
            new OracleEvent(id, atomic ? TraceEventKind.AtomicLoad : TraceEventKind.Load, address, width, value)
        );
        return value;
    }

    private void Store(OracleState state, int id, ulong address, int width, ulong value, bool atomic)
    {
        if (atomic || core == CoreKind.Sc)
        {
            state.WriteMemory(address, width, value);
        }
        else
        {
            state.Threads[id].Buffer.Add((address, width, value));
        }

        Recorder?.Invoke(
            new OracleEvent(id, atomic ? TraceEventKind.AtomicStore : TraceEventKind.Store, address, width, value)
        );
    }

    private ulong Address(OracleThread thread, X86_64MemoryOperand memory) =>
        (memory.Variable is null ? 0 : _layout.ModelAddressOf(memory.Variable))
        + (ulong)(long)memory.Displacement
        + (memory.Base is X86_64Register start ? thread.Registers[(int)start] : 0)
        + (memory.Index is X86_64Register index ? thread.Registers[(int)index] * (ulong)memory.Scale : 0);

    private static void WriteRegister(OracleThread thread, X86_64Register register, int width, ulong value)
    {
        ulong old = thread.Registers[(int)register];
        thread.Registers[(int)register] = width switch
        {
            8 => value,
            4 => (uint)value,
            2 => (old & ~0xFFFFUL) | (ushort)value,
            _ => (old & ~0xFFUL) | (byte)value,
        };
    }

    /// <summary>The outcome that a final state is.</summary>
    public Outcome OutcomeOf(OracleState state) =>
        new([
            .. test.Observables.Select(observable =>
                observable.Variable is Variable variable
                    ? state.ReadMemory(
                        _layout.ModelAddressOf(variable.Name) + (ulong)(observable.Element * variable.Type.Width),
                        variable.Type.Width
                    )
                    : OracleArithmetic.Cut(
                        state.Threads[observable.Thread].Registers[observable.Register.Number],
                        observable.Type.Width
                    )
            ),
        ]);
}
