using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Finds the perpetual form of a test, if it has one: an X86_64 test whose columns have nothing but fences, and plain
/// loads and stores of 4 or 8 bytes at fixed places.
/// </summary>
internal sealed class PerpetualPlanner
{
    private readonly Dictionary<string, (int Offset, int Width)> _cells = [];
    private readonly Dictionary<string, (int Thread, ulong Constant)> _stores = [];
    private readonly IReadOnlyList<PerpetualLoad>[] _loads =
    [
        [],
        [],
    ];
    private readonly LitmusTest _test;
    private readonly bool[] _barriers;

    private PerpetualPlanner(LitmusTest test)
    {
        _test = test;
        _barriers =
        [
            .. test.Threads.Select(thread => thread.Instructions.Any(instruction => instruction.Command is not null)),
        ];
    }

    /// <summary>Makes the plan of a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="reason">Why there is none, as the end of a sentence; empty when there is one.</param>
    /// <returns>The plan, or <see langword="null"/>.</returns>
    public static PerpetualPlan? TryCreate(LitmusTest test, out string reason)
    {
        var planner = new PerpetualPlanner(test);
        reason = planner.Analyze() ?? "";
        return reason.Length == 0
            ? new PerpetualPlan(
                planner._barriers[0] ? 1 : 0,
                planner._barriers[0] || planner._barriers[1],
                planner._loads,
                planner._stores.Keys.ToHashSet()
            )
            : null;
    }

    private string? Analyze()
    {
        if (_test.Threads.Count != 2)
        {
            return $"it has {_test.Threads.Count} columns, not two";
        }

        if (_test.Observables.FirstOrDefault(item => item.IsMemory) is { } memory)
        {
            return $"{memory} is observed, and memory never comes to rest";
        }

        if (_barriers[0] && _barriers[1])
        {
            return "both columns issue membarrier, so neither is fast";
        }

        foreach (LitmusThread thread in _test.Threads)
        {
            if (Collect(thread) is { } problem)
            {
                return $"P{thread.Id}: {problem}";
            }
        }

        foreach (LitmusThread thread in _test.Threads)
        {
            _loads[thread.Id] = FinalLoads(thread);
            if (_loads[thread.Id].Count > PerpetualLoop.MaxLogged)
            {
                return $"P{thread.Id} observes more than {PerpetualLoop.MaxLogged} registers";
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
        IReadOnlyList<X86_64Instruction> code = thread.InstructionsAs<X86_64Instruction>();
        for (int index = 0; index < code.Count; index++)
        {
            X86_64Instruction instruction = code[index];
            switch (instruction.Opcode)
            {
                case X86_64Opcode.Mfence
                or X86_64Opcode.Sfence
                or X86_64Opcode.Lfence
                or X86_64Opcode.Nop
                or X86_64Opcode.Pause
                or X86_64Opcode.Membarrier:
                case X86_64Opcode.Ret when index == code.Count - 1:
                    continue;
                case X86_64Opcode.Mov when instruction.Width is 4 or 8 && instruction.Memory is not null:
                    break;
                default:
                    return $"'{instruction.Text}' is neither a fence nor a plain load or store of 4 or 8 bytes";
            }

            if (CollectAccess(thread, instruction, instruction.Memory) is string problem)
            {
                return problem;
            }
        }

        return null;
    }

    private string? CollectAccess(LitmusThread thread, X86_64Instruction instruction, X86_64MemoryOperand memory)
    {
        if (Locate(thread, memory) is not { } place)
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

        if (instruction.Operands[1] is not X86_64RegisterOperand)
        {
            if (instruction.Operands[0] is not X86_64ImmediateOperand constant)
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

        return null;
    }

    // The variable and offset that an operand always means: named, or through a register that holds an address from the
    // beginning and is never loaded.
    private (string Variable, int Offset)? Locate(LitmusThread thread, X86_64MemoryOperand memory)
    {
        if (memory.Index is not null)
        {
            return null;
        }

        if (memory.Base is not { } register)
        {
            return memory.Variable is null ? null : (memory.Variable, memory.Displacement);
        }

        InitialValue address = thread.InitialRegisters.GetValueOrDefault(register.ToTest());
        bool changes = thread
            .InstructionsAs<X86_64Instruction>()
            .Any(instruction =>
                instruction.Operands.Count == 2
                && instruction.Operands[1] is X86_64RegisterOperand target
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
        var loads = new Dictionary<X86_64Register, PerpetualLoad>();
        foreach (X86_64Instruction instruction in thread.InstructionsAs<X86_64Instruction>())
        {
            if (instruction.Opcode != X86_64Opcode.Mov || instruction.Operands[1] is not X86_64RegisterOperand target)
            {
                continue;
            }

            (string name, int offset) = Locate(thread, instruction.Memory!)!.Value;
            (int writer, ulong stored) = _stores.GetValueOrDefault(name, (-1, 0UL));
            loads[target.Register] = new PerpetualLoad(
                target.Register.ToTest(),
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
