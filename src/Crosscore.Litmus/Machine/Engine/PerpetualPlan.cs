using Crosscore.Litmus.Machine.Encoding;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine.Engine;

/// <summary>Where the final value of an observed register comes from in a perpetual run.</summary>
/// <param name="Register">The register.</param>
/// <param name="Width">Bytes that the load takes.</param>
/// <param name="Writer">The column that stores to the loaded variable, or -1 when none does.</param>
/// <param name="Initial">What the register holds when the store was not seen.</param>
/// <param name="Stored">What it holds when the store was seen.</param>
internal sealed record PerpetualLoad(X86Register Register, int Width, int Writer, ulong Initial, ulong Stored);

/// <summary>
/// The perpetual form of a test (PerpLE, MICRO 2020): whether there is one, and what its loads mean. Two columns
/// without jumps; each variable stored to by at most one instruction of the test, and that stores a constant; loads and
/// fences besides; only registers observed. Then a store may write the number of its iteration instead, and a loaded
/// number tells which iterations' stores were seen.
/// </summary>
internal sealed class PerpetualPlan
{
    private readonly Dictionary<string, (int Offset, int Width)> _cells = [];
    private readonly Dictionary<string, (int Thread, ulong Constant)> _stores = [];
    private readonly LitmusTest _test;

    private PerpetualPlan(LitmusTest test) => _test = test;

    /// <summary>The column that never waits: the one without membarrier, or P0.</summary>
    public int Fast { get; private set; }

    /// <summary>The other column.</summary>
    public int Slow => 1 - Fast;

    /// <summary>Whether the slow column issues membarrier.</summary>
    public bool HasMembarrier { get; private set; }

    /// <summary>
    /// For each column, the loads into observed registers that are final, in the order of the columns' log entries.
    /// </summary>
    public IReadOnlyList<PerpetualLoad>[] Loads { get; } =
    [
        [],
        [],
    ];

    /// <summary>The variables that are stored to, by name: they hold iteration numbers.</summary>
    public bool IsStored(string variable) => _stores.ContainsKey(variable);

    /// <summary>The plan of a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="reason">Why there is none, as the end of a sentence; empty when there is one.</param>
    /// <returns>The plan, or <see langword="null"/>.</returns>
    public static PerpetualPlan? TryCreate(LitmusTest test, out string reason)
    {
        var plan = new PerpetualPlan(test);
        reason = plan.Analyse() ?? "";
        return reason.Length == 0 ? plan : null;
    }

    private string? Analyse()
    {
        if (_test.Threads.Count != 2)
        {
            return $"it has {_test.Threads.Count} columns, not two";
        }

        if (_test.Observables.FirstOrDefault(item => item.IsMemory) is { } memory)
        {
            return $"{memory} is observed, and memory never comes to rest";
        }

        bool[] barriers =
        [
            .. _test.Threads.Select(thread =>
                thread.Code.Any(instruction => instruction.Opcode == X86Opcode.Membarrier)
            ),
        ];
        if (barriers[0] && barriers[1])
        {
            return "both columns issue membarrier, so neither is fast";
        }

        HasMembarrier = barriers[0] || barriers[1];
        Fast = barriers[0] ? 1 : 0;
        foreach (LitmusThread thread in _test.Threads)
        {
            if (Collect(thread) is { } problem)
            {
                return $"P{thread.Id}: {problem}";
            }
        }

        foreach (LitmusThread thread in _test.Threads)
        {
            Loads[thread.Id] = FinalLoads(thread);
            if (Loads[thread.Id].Count > PerpetualLoop.LargestLog)
            {
                return $"P{thread.Id} observes more than {PerpetualLoop.LargestLog} registers";
            }

            if (new ColumnRegisters(_test, thread).Free < PerpetualLoop.RegistersNeeded)
            {
                return $"P{thread.Id} leaves fewer than {PerpetualLoop.RegistersNeeded} registers free";
            }
        }

        return null;
    }

    private string? Collect(LitmusThread thread)
    {
        for (int index = 0; index < thread.Code.Count; index++)
        {
            X86Instruction instruction = thread.Code[index];
            switch (instruction.Opcode)
            {
                case X86Opcode.Mfence
                or X86Opcode.Sfence
                or X86Opcode.Lfence
                or X86Opcode.Nop
                or X86Opcode.Pause
                or X86Opcode.Membarrier:
                case X86Opcode.Ret when index == thread.Code.Count - 1:
                    continue;
                case X86Opcode.Mov when instruction.Width is 4 or 8 && instruction.Memory is not null:
                    break;
                default:
                    return $"'{instruction.Text}' is neither a fence nor a plain load or store of 4 or 8 bytes";
            }

            if (Locate(thread, instruction.Memory) is not { } place)
            {
                return $"'{instruction.Text}' has an address that is not the same each time";
            }

            if (place.Offset % instruction.Width != 0 || place.Offset < 0 || place.Offset >= PaddedSize(place.Variable))
            {
                // Only an aligned access is one access (Intel SDM vol. 3, 9.1.1); a torn number would be no number of
                // an iteration.
                return $"'{instruction.Text}' is not aligned, or lies outside of {place.Variable}";
            }

            if (
                !_cells.TryAdd(place.Variable, (place.Offset, instruction.Width))
                && _cells[place.Variable] != (place.Offset, instruction.Width)
            )
            {
                return $"'{instruction.Text}' accesses another part of {place.Variable} than an instruction before it";
            }

            if (instruction.Operands[1] is not RegisterOperand)
            {
                if (instruction.Operands[0] is not ImmediateOperand constant)
                {
                    return $"'{instruction.Text}' stores something else than a constant";
                }

                if (
                    !_stores.TryAdd(
                        place.Variable,
                        (thread.Id, DataType.Truncate((ulong)constant.Value, instruction.Width))
                    )
                )
                {
                    return $"{place.Variable} is stored to more than once";
                }
            }
        }

        return null;
    }

    // The variable and offset that an operand always means: named, or through a register that holds an address from the
    // beginning and is never loaded.
    private (string Variable, int Offset)? Locate(LitmusThread thread, MemoryOperand memory)
    {
        if (memory.Index is not null)
        {
            return null;
        }

        if (memory.Base is not { } register)
        {
            return memory.Variable is null ? null : (memory.Variable, memory.Displacement);
        }

        InitialValue address = thread.InitialRegisters.GetValueOrDefault(register);
        bool changes = thread.Code.Any(instruction =>
            instruction.Operands.Count == 2
            && instruction.Operands[1] is RegisterOperand target
            && target.Register == register
        );
        if (memory.Variable is not null || address.AddressOf is null || changes)
        {
            return null;
        }

        Variable variable = _test.Variables.First(item => item.Name == address.AddressOf);
        return (address.AddressOf, (address.Element * variable.Type.Width) + memory.Displacement);
    }

    private int PaddedSize(string name) =>
        new MemoryLayout([_test.Variables.First(variable => variable.Name == name)]).Size;

    private List<PerpetualLoad> FinalLoads(LitmusThread thread)
    {
        var loads = new Dictionary<X86Register, PerpetualLoad>();
        foreach (X86Instruction instruction in thread.Code)
        {
            if (instruction.Opcode != X86Opcode.Mov || instruction.Operands[1] is not RegisterOperand target)
            {
                continue;
            }

            (string name, int offset) = Locate(thread, instruction.Memory!)!.Value;
            (int writer, ulong stored) = _stores.GetValueOrDefault(name, (-1, 0UL));
            loads[target.Register] = new PerpetualLoad(
                target.Register,
                instruction.Width,
                writer,
                DataType.Truncate(Initial(name, offset, instruction.Width), instruction.Width),
                stored
            );
        }

        return
        [
            .. loads.Values.Where(load =>
                _test.Observables.Any(item => item.Thread == thread.Id && item.Register == load.Register)
            ),
        ];
    }

    // What a load of the variable finds before anything was stored: its first bytes, or the element's that the offset
    // is at.
    private ulong Initial(string name, int offset, int width)
    {
        Variable variable = _test.Variables.First(item => item.Name == name);
        var layout = new MemoryLayout(_test.Variables);
        ulong value = 0;
        for (int index = 0; index < width; index++)
        {
            int element = (offset + index) / variable.Type.Width;
            if (offset + index < 0 || element >= variable.InitialValues.Count)
            {
                continue;
            }

            ulong cell = variable.Type.Truncate(
                layout.Resolve(variable.InitialValues[element], MemoryLayout.ModelBase)
            );
            value |= ((cell >> (8 * ((offset + index) % variable.Type.Width))) & 0xFF) << (8 * index);
        }

        return value;
    }
}
